"""Which address is dialled and from which one: IPv6, a dead family beside a live one, sources."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

from mailward.adapters.net.sink import SmtpSink
from mailward.base.outcome import Done, TempFail
from tests.adapters.net.courier_rig import courier, job, once

SESSION = (b"220 mx\r\n", b"250 mx\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n", b"250 taken\r\n")


@asynccontextmanager
async def peer(host: str) -> AsyncIterator[tuple[int, list[str]]]:
    """A server on one address that takes messages and lists who called."""
    callers: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        callers.append(writer.get_extra_info("peername")[0])
        for reply in SESSION:
            writer.write(reply)
            await writer.drain()
            if reply.startswith(b"354"):
                await reader.readuntil(b"\r\n.\r\n")
            elif not await reader.readline():
                break
        writer.close()

    server = await asyncio.start_server(serve, host, 0)
    try:
        yield server.sockets[0].getsockname()[1], callers
    finally:
        server.close()
        await server.wait_closed()


def closed_port(host: str) -> int:
    """A port of that address where nothing listens."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as s:
        s.bind((host, 0))
        return int(s.getsockname()[1])


@contextmanager
def deaf(host: str) -> Iterator[int]:
    """A port of that address that answers no SYN: its queue is full and nobody takes from it."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as s:
        s.bind((host, 0))
        s.listen(0)
        port = int(s.getsockname()[1])
        fillers = [socket.socket(s.family) for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex((host, port))
        try:
            yield port
        finally:
            for filler in fillers:
                filler.close()


async def test_delivery_over_ipv6() -> None:
    """A host with an IPv6 address is reached over IPv6."""
    async with peer("::1") as (port, callers):
        result = await once(port, hosts=(("mx.b.test", "::1", port),))
    assert isinstance(result.outcomes[0], Done), result
    assert (result.ip, callers) == ("::1", ["::1"])


@pytest.mark.parametrize("how", ["refused", "silent"])
async def test_a_dead_ipv6_leads_to_ipv4(how: str) -> None:
    """Where IPv6 refuses or never answers, the same attempt goes on over IPv4; the next message does not try again."""
    sink = SmtpSink()
    port = await sink.listen()
    with deaf("::1") as silent:
        dead = silent if how == "silent" else closed_port("::1")
        hosts = (("mx.b.test", "::1", dead), ("mx.b.test", "127.0.0.1", port))
        async with courier(connect_timeout=0.3) as it:
            first = await asyncio.wait_for(it.deliver(job(port, hosts=hosts, route_key="one")), 10)
            second = await asyncio.wait_for(it.deliver(job(port, hosts=hosts, route_key="two")), 10)
    await sink.close()
    assert isinstance(first.outcomes[0], Done), first
    assert first.ip == "127.0.0.1" and "[::1]: connection_failed" in first.why
    assert isinstance(second.outcomes[0], Done)
    assert "[::1]: did not answer lately, not tried" in second.why


async def test_a_dead_ipv6_alone_is_tried_again_later() -> None:
    """With no other address the attempt ends as connection_failed, which is temporary."""
    result = await once(1, hosts=(("mx.b.test", "::1", closed_port("::1")),))
    assert isinstance(result.outcomes[0], TempFail) and result.outcomes[0].reason == "connection_failed"


@pytest.mark.parametrize("source", ["127.0.0.2", "127.0.0.77"])
async def test_the_source_address_is_the_one_asked_for(source: str) -> None:
    """The peer sees the address the job names; without one the system chooses."""
    async with peer("127.0.0.1") as (port, callers):
        first = await once(port, source=source)
        second = await once(port)
    assert isinstance(first.outcomes[0], Done) and isinstance(second.outcomes[0], Done)
    assert callers == [source, "127.0.0.1"]


async def test_a_source_is_for_its_own_family() -> None:
    """With a source of one family only, hosts of the other are passed over, and the record says why."""
    async with peer("127.0.0.1") as (port, callers), peer("::1") as (port6, callers6):
        hosts = (("mx6.b.test", "::1", port6), ("mx4.b.test", "127.0.0.1", port))
        result = await once(port, hosts=hosts, source="127.0.0.2")
        assert isinstance(result.outcomes[0], Done) and result.host == "mx4.b.test"
        assert "no address of that family" in result.why
        assert (callers, callers6) == (["127.0.0.2"], [])
        both = await once(port, hosts=hosts, source="127.0.0.2", source6="::1")
        assert both.host == "mx6.b.test" and callers6 == ["::1"]
        alone = await once(port, hosts=hosts[:1], source="127.0.0.2")
    assert isinstance(alone.outcomes[0], TempFail) and alone.outcomes[0].reason == "no_route"


async def test_connections_from_two_sources_are_not_shared() -> None:
    """A kept connection serves only messages that leave from the same address."""
    async with peer("127.0.0.1") as (port, callers), courier() as it:
        for source in ("127.0.0.2", "127.0.0.3"):
            result = await it.deliver(job(port, source=source))
            assert isinstance(result.outcomes[0], Done)
    assert callers == ["127.0.0.2", "127.0.0.3"]


async def test_a_source_this_machine_does_not_have() -> None:
    """A wrong setting defers the message with a reason that names it, instead of sending it from elsewhere, and is not
    held against the host."""
    async with peer("127.0.0.1") as (port, callers), courier() as it:
        result = await it.deliver(job(port, source="192.0.2.99"))
        assert isinstance(result.outcomes[0], TempFail) and result.outcomes[0].reason == "connection_failed"
        assert "192.0.2.99 is no address of this machine (delivery.sources)" in result.outcomes[0].text
        assert callers == []
        assert isinstance((await it.deliver(job(port, source="127.0.0.2"))).outcomes[0], Done)
