"""The platform's only way to ask DNS: asynchronous, caching, suspicious.

It asks recursive resolvers (those of /etc/resolv.conf, or of the settings) and tells
apart what others merge: a name that does not exist, a name without that type, and
nobody being able to say. The last is `servfail` or `timeout`, and is never taken for
"no records": a mail decision based on it waits.

Equal questions asked at the same time share one exchange. The AD bit (DNSSEC validated)
is believed only from a resolver on loopback or one the settings name as trusted: on any
other path it is a bit that anyone can set.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from mailward.adapters.net.dns_cache import FAILURE_TTL, MAX_NEGATIVE_TTL, MAX_TTL, MIN_TTL, AnswerCache
from mailward.adapters.net.dns_driver import R, drive
from mailward.adapters.net.dns_exchange import ExchangeFailed, Server, build_query, exchange
from mailward.adapters.net.dns_reading import AliasLoop, plain, read
from mailward.base.sources import Clock, Entropy
from mailward.protocol.dns import DnsAnswer, DnsQuery, DnsStatus, Lookup, RecordType

_NXDOMAIN = DnsAnswer("nxdomain", ttl=MAX_TTL)
_OVERLOADED = DnsAnswer("servfail", ttl=0)


@dataclass(frozen=True, slots=True)
class ResolverOptions:
    """Bounds. Times in seconds; `rounds` is how often the list of servers is gone through."""

    timeout: float = 2.0
    rounds: int = 2
    max_in_flight: int = 2048
    max_waiting: int = 8192
    mixed_case: bool = True
    cache_entries: int = 20_000


class Resolver:
    """One a process; belongs to the loop it is first used on."""

    def __init__(
        self, servers: Sequence[Server], *, clock: Clock, entropy: Entropy, options: ResolverOptions | None = None
    ) -> None:
        self._servers = tuple(servers)
        self._clock = clock
        self._entropy = entropy
        self._options = options or ResolverOptions()
        self._cache = AnswerCache(self._options.cache_entries)
        self._flights: dict[tuple[str, str], asyncio.Task[DnsAnswer]] = {}
        self._slots = asyncio.Semaphore(self._options.max_in_flight)

    @property
    def validates(self) -> bool:
        """True when every server's AD bit is believed, which DANE needs."""
        return bool(self._servers) and all(server.trusted for server in self._servers)

    def cached(self, query: DnsQuery) -> DnsAnswer | None:
        """What is remembered, without asking."""
        return self._cache.get((query.name.rstrip(".").lower(), query.type), self._clock.monotonic())

    async def resolve(self, query: DnsQuery, *, fresh: bool = False) -> DnsAnswer:
        """The answer, remembered or asked for. `fresh` asks even when an answer is remembered. Never raises for DNS."""
        key = (query.name.rstrip(".").lower(), query.type)
        if not fresh and (known := self._cache.get(key, self._clock.monotonic())) is not None:
            return known
        flight = self._flights.get(key)
        if flight is None:
            if len(self._flights) >= self._options.max_waiting:
                return _OVERLOADED
            flight = asyncio.get_running_loop().create_task(self._ask(key[0], query.type))
            self._flights[key] = flight
            flight.add_done_callback(lambda _: self._flights.pop(key, None))
        # One impatient caller must not take the answer away from the others.
        return await asyncio.shield(flight)

    async def drive(self, lookup: Lookup[R], *, fresh: bool = False) -> R:
        """Run a sans-I/O computation, answering its questions."""
        return await drive(lookup, self, fresh=fresh)

    async def close(self) -> None:
        """Stop what is under way."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    async def _ask(self, name: str, rtype: RecordType) -> DnsAnswer:
        try:
            qname = dns.name.from_text(name)
        except (dns.exception.DNSException, UnicodeError):
            return _NXDOMAIN  # no such name can exist: an empty label, or one over 63 bytes
        async with self._slots:
            answer = await self._follow(qname, rtype)
        if answer.ttl:
            self._cache.put((name, rtype), answer, self._clock.monotonic())
        return answer

    async def _follow(self, name: dns.name.Name, rtype: RecordType) -> DnsAnswer:
        """Ask, and ask again at the end of a CNAME chain the server left open, up to the bound."""
        aliases, ttl, authenticated = 0, MAX_TTL, True
        while True:
            got = await self._ask_servers(name, rtype)
            if isinstance(got, str):
                return DnsAnswer(got, ttl=FAILURE_TTL)
            message, trusted = got
            try:
                reading = read(message, name, rtype, aliases)
            except (AliasLoop, AttributeError, StopIteration):
                return DnsAnswer("servfail", ttl=FAILURE_TTL)
            authenticated = authenticated and trusted and bool(message.flags & dns.flags.AD)
            if reading.ttl is not None:
                ttl = min(ttl, reading.ttl)
            if reading.records:
                return DnsAnswer("ok", reading.records, max(MIN_TTL, ttl), authenticated)
            if message.rcode() == dns.rcode.NXDOMAIN:
                status: DnsStatus = "nxdomain"
            elif reading.aliases == aliases:
                status = "nodata"
            else:
                name, aliases = reading.end, reading.aliases
                continue
            if reading.negative_ttl is None:
                return DnsAnswer(status, (), 0, authenticated)  # nobody said how long: not remembered
            ttl = max(MIN_TTL, min(ttl, reading.negative_ttl, MAX_NEGATIVE_TTL))
            return DnsAnswer(status, (), ttl, authenticated)

    async def _ask_servers(
        self, name: dns.name.Name, rtype: RecordType
    ) -> tuple[dns.message.Message, bool] | DnsStatus:
        """The first usable message (NOERROR or NXDOMAIN) of any server and whether its AD bit counts; else why not."""
        failure: DnsStatus = "servfail" if not self._servers else "timeout"
        rdtype = dns.rdatatype.from_text(rtype)
        options = self._options
        for round_ in range(options.rounds):
            for server in self._servers:
                for edns in (True, False):
                    query = build_query(name, rdtype, self._entropy, edns=edns, mixed_case=options.mixed_case)
                    try:
                        message = await exchange(server, query, timeout=options.timeout * (1 + round_))
                    except TimeoutError:
                        break
                    except ExchangeFailed:
                        failure = "servfail"
                        break
                    rcode = message.rcode()
                    if rcode in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                        return message, server.trusted
                    failure = "servfail"
                    if rcode not in (dns.rcode.FORMERR, dns.rcode.NOTIMP):
                        break  # SERVFAIL, REFUSED: another server may know; EDNS is not the trouble
        return failure


def parse_server(text: str, *, trusted: bool = False) -> Server:
    """`192.0.2.1`, `192.0.2.1:5353`, `::1`, `[::1]:5353`; ValueError otherwise. Loopback is always trusted."""
    host, port = text.strip(), 53
    if host.startswith("["):
        host, _, rest = host[1:].partition("]")
        port = int(rest.removeprefix(":") or 53)
    elif host.count(":") == 1:
        host, _, rest = host.partition(":")
        port = int(rest)
    address = ipaddress.ip_address(host.partition("%")[0])
    if not 0 < port < 65536:
        raise ValueError(f"not a port: {port}")
    return Server(host, port, trusted or address.is_loopback)


def system_servers(path: Path = Path("/etc/resolv.conf")) -> tuple[Server, ...]:
    """The `nameserver` lines (three at most, as resolv.conf(5) has it); loopback when there are none."""
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    servers = []
    for line in lines:
        fields = line.split()
        if len(fields) >= 2 and fields[0] == "nameserver":
            try:
                servers.append(parse_server(f"[{fields[1]}]"))
            except ValueError:
                continue
    return tuple(servers[:3]) or (Server("127.0.0.1", 53, trusted=True),)


__all__ = ["Resolver", "ResolverOptions", "Server", "parse_server", "plain", "system_servers"]
