"""One DNS question to one server: UDP on a port and id of its own, TCP when the answer was cut.

Only an answer that fits the question in every respect is believed: the peer (the socket is
connected, so the kernel drops others), id, opcode, the question section to the letter
(including the random upper and lower case of 0x20 where asked for). Anything else that
arrives is counted and ignored; after a few, someone is guessing and we go on over TCP
(RFC 5452 section 9).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype

from mailward.base.sources import Entropy

EDNS_PAYLOAD = 1232  # no IP fragmentation on any common path (DNS flag day 2020)
MAX_GUESSES = 4
MAX_RECORDS = 512  # in a section of an answer; more is an attack or a mistake, never a mail domain
_HEADER = 12


class ExchangeFailed(Exception):
    """The server gave no believable answer: refused, unreachable, malformed or too large."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where a recursive resolver listens. `trusted`: its AD bit counts as our own validation."""

    host: str
    port: int = 53
    trusted: bool = False


def build_query(name: dns.name.Name, rdtype: int, entropy: Entropy, *, edns: bool, mixed_case: bool) -> bytes:
    """Wire form of a recursive question with a random id; AD set asks for the validation state (RFC 6840 5.7)."""
    message_id = int.from_bytes(entropy.bytes(2), "big")
    if mixed_case:
        name = dns.name.Name(_scramble(label, entropy) for label in name.labels)
    query = dns.message.make_query(
        name,
        dns.rdatatype.RdataType(rdtype),
        use_edns=0 if edns else False,
        payload=EDNS_PAYLOAD,
        flags=dns.flags.RD | dns.flags.AD,
        id=message_id,
    )
    return query.to_wire()


def _scramble(label: bytes, entropy: Entropy) -> bytes:
    bits = entropy.bytes(len(label)) if label else b""
    return bytes(
        c ^ 0x20 if r & 1 and (65 <= c <= 90 or 97 <= c <= 122) else c for c, r in zip(label, bits, strict=True)
    )


def fits(query: bytes, answer: bytes, *, exact_case: bool = True) -> bool:
    """True when the id, the direction, the opcode and the question section are those of the query."""
    if len(answer) < _HEADER or answer[:2] != query[:2]:
        return False
    if not answer[2] & 0x80 or answer[2] & 0x78:  # QR, opcode 0
        return False
    if answer[4:6] != b"\0\1":
        # A server that could not even read the question may leave it out; it can only say so (RFC 1035 4.1.1).
        return answer[4:6] == b"\0\0" and answer[3] & 0x0F in (dns.rcode.FORMERR, dns.rcode.NOTIMP)
    end = _question_end(query)
    asked, echoed = query[_HEADER:end], answer[_HEADER:end]
    return echoed == asked or (not exact_case and echoed.lower() == asked.lower())


def _question_end(query: bytes) -> int:
    at = _HEADER
    while query[at]:
        at += query[at] + 1
    return at + 5


def parse(answer: bytes) -> dns.message.Message:
    """The parsed message; ExchangeFailed when malformed or with more records than any honest answer."""
    # All sections: five thousand names behind pointers of the authority section take a second to read.
    if max(int.from_bytes(answer[at : at + 2], "big") for at in (6, 8, 10)) > MAX_RECORDS:
        raise ExchangeFailed("too many records")
    try:
        return dns.message.from_wire(answer, one_rr_per_rrset=False, raise_on_truncation=False)
    except (dns.exception.DNSException, ValueError, IndexError) as e:
        raise ExchangeFailed(f"malformed answer: {type(e).__name__}") from e


async def _parsed(answer: bytes) -> dns.message.Message:
    # Five hundred records under a name of a hundred labels are 8 KB and take a third of a second: nobody waits for it.
    return parse(answer) if len(answer) <= EDNS_PAYLOAD else await asyncio.to_thread(parse, answer)


class _OneAnswer(asyncio.DatagramProtocol):
    __slots__ = ("answer", "guesses", "query")

    def __init__(self, query: bytes, answer: asyncio.Future[bytes | None]) -> None:
        self.query = query
        self.answer = answer
        self.guesses = 0

    def datagram_received(self, data: bytes, addr: object) -> None:
        if self.answer.done():
            return
        if fits(self.query, data):
            self.answer.set_result(data)
            return
        self.guesses += 1
        # Right but for the letters' case: an old forwarder, or a guess that lacked those bits. TCP will tell.
        if self.guesses >= MAX_GUESSES or fits(self.query, data, exact_case=False):
            self.answer.set_result(None)

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(ExchangeFailed(f"unreachable: {type(exc).__name__}"))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.answer.done():
            self.answer.set_exception(ExchangeFailed("socket closed"))


async def exchange(server: Server, query: bytes, *, timeout: float) -> dns.message.Message:
    """The server's believable answer within `timeout` seconds; TimeoutError or ExchangeFailed otherwise."""
    async with asyncio.timeout(timeout):
        answer = await _udp(server, query)
        # What a truncated answer holds is not used, however complete it looks (RFC 2181 section 9).
        if answer is None or answer[2] & 0x02:
            answer = await _tcp(server, query)
    return await _parsed(answer)


async def _udp(server: Server, query: bytes) -> bytes | None:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[bytes | None] = loop.create_future()
    try:
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _OneAnswer(query, answer), remote_addr=(server.host, server.port)
        )
    except OSError as e:
        raise ExchangeFailed(f"unreachable: {type(e).__name__}") from e
    try:
        transport.sendto(query)
        return await answer
    finally:
        transport.close()
        if answer.done() and not answer.cancelled():
            answer.exception()  # seen
        else:
            answer.cancel()


async def _tcp(server: Server, query: bytes) -> bytes:
    try:
        reader, writer = await asyncio.open_connection(server.host, server.port)
    except OSError as e:
        raise ExchangeFailed(f"tcp: {type(e).__name__}") from e
    try:
        writer.write(len(query).to_bytes(2, "big") + query)
        size = int.from_bytes(await reader.readexactly(2), "big")
        answer = await reader.readexactly(size)
    except (OSError, asyncio.IncompleteReadError) as e:
        raise ExchangeFailed(f"tcp: {type(e).__name__}") from e
    finally:
        writer.close()
    if not fits(query, answer, exact_case=False):
        raise ExchangeFailed("tcp: the answer is to another question")
    return answer
