"""A DNS server on loopback that does as the test says, right or wrong."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import dns.flags
import dns.message
import dns.rrset

Udp = Callable[[dns.message.Message, bytes], Sequence[bytes]]


def reply(query: dns.message.Message, *records: str, rcode: int = 0, ad: bool = False, tc: bool = False) -> bytes:
    """An answer with records given as `name ttl IN TYPE data`; a SOA goes to the authority section."""
    message = dns.message.make_response(query)
    message.set_rcode(dns.rcode.Rcode(rcode))
    for record in records:
        name, ttl, rdclass, rdtype, data = record.split(" ", 4)
        rrset = dns.rrset.from_text(name, int(ttl), rdclass, rdtype, data)
        if rdtype == "SOA":
            message.authority.append(rrset)
        else:
            same = message.find_rrset(message.answer, rrset.name, rrset.rdclass, rrset.rdtype, create=True)
            for rdata in rrset:
                same.add(rdata, rrset.ttl)
    if ad:
        message.flags |= dns.flags.AD
    if tc:
        message.flags |= dns.flags.TC
    return message.to_wire(max_size=65535)


@dataclass
class ScriptedServer:
    """`udp` returns the datagrams to send back; `tcp` one message. `asked` keeps each question."""

    udp: Udp
    tcp: Callable[[dns.message.Message], bytes] | None = None
    port: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)


class _Protocol(asyncio.DatagramProtocol):
    def __init__(self, server: ScriptedServer) -> None:
        self.server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        name = query.question[0].name.to_text(omit_final_dot=True)
        self.server.asked.append((name, "udp"))
        for datagram in self.server.udp(query, data):
            self.transport.sendto(datagram, addr)


@asynccontextmanager
async def scripted(
    udp: Udp, tcp: Callable[[dns.message.Message], bytes] | None = None
) -> AsyncIterator[ScriptedServer]:
    """The server, listening on one loopback port for UDP and TCP."""
    server = ScriptedServer(udp, tcp)

    async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (size,) = struct.unpack("!H", await reader.readexactly(2))
        query = dns.message.from_wire(await reader.readexactly(size))
        server.asked.append((query.question[0].name.to_text(omit_final_dot=True), "tcp"))
        if server.tcp is not None:
            wire = server.tcp(query)
            writer.write(struct.pack("!H", len(wire)) + wire)
            await writer.drain()
        writer.close()

    listener = await asyncio.start_server(stream, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Protocol(server), local_addr=("127.0.0.1", server.port)
    )
    try:
        yield server
    finally:
        transport.close()
        listener.close()
        await listener.wait_closed()
