"""INPUT-1: what a stranger names, an endpoint's URL or a domain's mail servers, never leads us to a private address.

The addresses are written down here and not taken from the policy that judges them; what is asked is what webhooks,
routes and the courier ask.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, cast

from mailward.adapters.net.egress import GuardedHttp, Resolve
from mailward.adapters.net.resolver import Resolver
from mailward.app.checks import probe
from mailward.app.checks.probe import NotThere, secret
from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.app.routing import Routes
from mailward.app.settings import Delivery
from mailward.base.errors import Invalid, MailwardError
from mailward.core.delivery.attempt import Route
from mailward.core.evidence.model import Finding, failed, passed
from mailward.core.webhooks.endpoints import PUBLIC, judge_url
from mailward.policy.egress import networks
from mailward.protocol.dns import DnsAnswer, DnsQuery, Mx

_SECONDS = 5.0
_TRUSTING_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
# Both ends of each network of the IANA special-purpose registry (RFC 6890), and where clouds keep their secrets.
PRIVATE_V4 = (
    str(IPv4Address(0)), "0.255.255.255", "10.0.0.1", "10.255.255.254", "100.64.0.1", "100.127.255.254", "127.0.0.1",
    "127.255.255.254", "169.254.1.1", "169.254.169.254", "172.16.0.1", "172.31.255.254", "192.0.0.1", "192.0.2.1",
    "192.31.196.1", "192.52.193.1", "192.88.99.1", "192.175.48.1", "168.63.129.16",
    "192.168.0.1", "192.168.255.254", "198.18.0.1", "198.19.255.254", "198.51.100.1", "203.0.113.1", "224.0.0.1",
    "239.255.255.255", "240.0.0.1", "255.255.255.255",
)  # fmt: skip
PRIVATE_V6 = (
    "::", "::1", "100::1", "2001:1::1", "2001:2::1", "2001:3::1", "2001:4:112::1", "2001:10::1", "2001:20::1",
    "2001:30::1", "2620:4f:8000::1", "2001:db8::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254",
    "fdff:ffff::1", "fe80::1", "febf:ffff::1", "fec0::1", "feff:ffff::1", "ff02::1", "ff0e::1",
)  # fmt: skip
# The neighbours of those networks, where a guard that is too wide would begin.
PUBLIC_ADDRESSES = (
    "1.0.0.1", "8.8.8.8", "9.255.255.254", "11.0.0.1", "100.63.255.254", "100.128.0.1", "126.255.255.254", "128.0.0.1",
    "169.253.255.254", "172.15.255.254", "172.32.0.1", "192.167.255.254", "198.17.255.254", "223.255.255.254",
    "2001:4860:4860::8888", "2606:4700:4700::1111", "2a00:1450:4001::1",
)  # fmt: skip
# How else an address may be written that a resolver or a browser takes for one (of 127.0.0.1 and 10.0.0.1).
SPELLINGS = (
    "0177.0.0.1", "0x7f.0.0.1", "0x7f000001", "2130706433", "017700000001", "127.1", "127.0.1", "127.0.0.1.",
    "\uff11\uff12\uff17.0.0.1", "\u2460\u2461\u2466.0.0.1", "127\u30020\u30020\u30021", "167772161", "10.1", "0x0a.1",
    "[::1]", "[::ffff:127.0.0.1]", "[::FFFF:7F00:1]", "[fe80::1%25eth0]", "[0:0:0:0:0:0:0:1]",
)  # fmt: skip


def carried(inner: str) -> Iterator[str]:
    """The IPv6 addresses that stand for an IPv4 address."""
    v4 = int(IPv4Address(inner))
    forms = {
        "mapped, RFC 4291 2.5.5.2": 0xFFFF << 32 | v4,
        "compatible, RFC 4291 2.5.5.1": v4,
        "translated, RFC 2765": 0xFFFF << 48 | v4,
        "NAT64, RFC 6052": 0x0064FF9B << 96 | v4,
        "NAT64 of a site, RFC 8215": 0x0064FF9B0001 << 80 | v4,
        "6to4, RFC 3056": 0x2002 << 112 | v4 << 80 | 1,
        "Teredo's client, RFC 4380": 0x20010000 << 96 | int(IPv4Address("8.8.8.8")) << 64 | v4 ^ 0xFFFFFFFF,
        "Teredo's server": 0x20010000 << 96 | v4 << 64 | int(IPv4Address("8.8.8.8")) ^ 0xFFFFFFFF,
        "ISATAP, RFC 5214": 0x20014860 << 96 | 0x00005EFE << 32 | v4,
        "ISATAP, of a global address": 0x20014860 << 96 | 0x02005EFE << 32 | v4,
    }
    yield from (str(IPv6Address(value)) for value in forms.values())


def private() -> list[str]:
    """Every address here that nobody may lead us to."""
    return [*PRIVATE_V4, *PRIVATE_V6, *(text for inner in PRIVATE_V4 for text in carried(inner))]


@check("INPUT-1")
async def strangers_lead_us_to_public_addresses_alone(context: Context) -> Finding:
    """A listener on loopback that must hear nothing; then every private address through what judges a webhook's URL,
    the addresses of its host, and those of a domain's mail servers; and the running API offered some as endpoints."""
    if wrong := await _canary():
        return failed(wrong)
    addresses, server = private(), _server(context)
    for address in addresses:
        for what, leads in (
            ("an endpoint", _endpoint),
            ("an endpoint's name", _name),
            ("a mail server", _server(context)),
        ):
            if await leads(address):
                return failed(f"{what} may lead to {address}")
    for spelling in SPELLINGS:
        if _spelled(spelling):
            return failed(f"an endpoint may be {spelling!a}")
    for address in PUBLIC_ADDRESSES:
        if not (await _endpoint(address) and await _name(address) and await server(address)):
            return failed(f"the public address {address} is refused")
    try:
        offered = await _offered(context)
    except (NotThere, _Taken) as e:
        return failed(str(e))
    return passed(
        f"{len(addresses)} private addresses in {1 + len(list(carried('10.0.0.1')))} forms are reached neither as an "
        f"endpoint, nor by its name, nor as a mail server; {len(PUBLIC_ADDRESSES)} public ones are; "
        f"{len(SPELLINGS)} other spellings are refused; the running API refused {offered} endpoints"
    )


def _http(resolve: Resolve, *listed: str) -> GuardedHttp:
    """What posts to endpoints, with exceptions. It is not to get as far as a handshake, so it trusts nobody."""
    return GuardedHttp(resolve, allow_networks=networks(listed), ssl_context=_TRUSTING_NOBODY)


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


async def _endpoint(address: str) -> bool:
    """Whether a webhook may be made for it and would be posted to it, as it stands in a URL."""
    url = f"https://{_bracketed(address)}/"
    taken = 0
    for judged in (lambda: judge_url(url, PUBLIC), lambda: _http(_nowhere).check(url)):
        try:
            judged()
        except Invalid:
            continue
        taken += 1
    return taken == 2 if address in PUBLIC_ADDRESSES else taken > 0


def _spelled(host: str) -> bool:
    try:
        _http(_nowhere).check(f"https://{host}/")
    except Invalid:
        return False
    return True


async def _nowhere(host: str) -> Sequence[str]:
    return ()


async def _name(address: str) -> bool:
    """Whether a host that has this address, alone or behind a public one, would be connected to there."""

    async def resolve(host: str) -> Sequence[str]:
        return (PUBLIC_ADDRESSES[0], address)

    try:
        dialled = await _http(resolve).addresses("verify.invalid")
    except MailwardError:
        return False
    return ip_address(address) in {ip_address(found) for found in dialled}


class _Zone:
    """A resolver in which every domain has one mail server with one address."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def drive(self, lookup: Any) -> Any:
        try:
            query: DnsQuery = next(lookup)
            while True:
                query = lookup.send(self._answer(query))
        except StopIteration as end:
            return end.value

    def _answer(self, query: DnsQuery) -> DnsAnswer:
        if query.type == "MX":
            return DnsAnswer("ok", (Mx(10, "mx.verify.invalid"),), ttl=60)
        if query.type == ("AAAA" if ":" in self._address else "A"):
            return DnsAnswer("ok", (self._address,), ttl=60)
        return DnsAnswer("nodata", ttl=60)


def _server(context: Context) -> Any:
    """Whether mail for a domain whose server has this address would be brought there, or to the address itself."""

    async def leads(address: str) -> bool:
        routes = Routes(
            Delivery(), cast(Resolver, _Zone(address)), hostname="us.verify.invalid", sink_port=0, clock=context.clock,
            entropy=context.entropy,
        )  # fmt: skip
        literal = f"[ipv6:{address}]" if ":" in address else f"[{address}]"
        found = [await routes.route(domain) for domain in ("verify.invalid", literal)]
        reached = [isinstance(route, Route) and bool(route.hosts) for route in found]
        return all(reached) if address in PUBLIC_ADDRESSES else any(reached)

    return leads


class _Canary:
    """Two listeners on loopback: one that counts who comes, and one that sends everybody on to it."""

    def __init__(self) -> None:
        self.hits = 0
        self.onward = ""

    async def hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, however it is meant."""
        self.hits += 1
        await self._answer(reader, writer, b"HTTP/1.1 200 OK\r\n")

    async def send_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Another place."""
        await self._answer(reader, writer, b"HTTP/1.1 307 Go\r\nLocation: " + self.onward.encode() + b"\r\n")

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(head + b"Content-Length: 0\r\n\r\n")
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[tuple[int, int]]:
        """The ports of both, on 127.0.0.1 and 127.0.0.2."""
        async with (
            await asyncio.start_server(self.hear, "127.0.0.1", 0) as one,
            await asyncio.start_server(self.send_on, "127.0.0.2", 0) as two,
        ):
            yield one.sockets[0].getsockname()[1], two.sockets[0].getsockname()[1]


async def _canary() -> str:
    """What is wrong with connections themselves: by name, by address and by a redirect; "" if nothing is."""
    places = {"private.verify.invalid": ["127.0.0.1"], "onward.verify.invalid": ["127.0.0.2"]}

    async def resolve(host: str) -> Sequence[str]:
        return places.get(host, ())

    async def post(http: GuardedHttp, url: str) -> bool:
        try:
            await http.post(url, {}, b"", deadline=_SECONDS, redirects=3)
        except MailwardError:
            return False
        finally:
            await http.close()
        return True

    canary = _Canary()
    async with canary.listening() as (private_port, onward_port):
        by_name = f"http://private.verify.invalid:{private_port}/"
        canary.onward = by_name
        if not await post(_http(resolve, "127.0.0.1/32"), by_name) or canary.hits != 1:
            return "an endpoint in a listed network is not reached: that others are not would prove nothing"
        for url in (by_name, f"http://127.0.0.1:{private_port}/", f"http://onward.verify.invalid:{onward_port}/"):
            if await post(_http(resolve, "127.0.0.2/32"), url) or canary.hits != 1:
                how = "redirected to" if "onward" in url else "reached at"
                return f"an endpoint on loopback that nobody listed was {how}"
    return ""


class _Taken(Exception):
    """The running API took an endpoint in a private network."""


async def _offered(context: Context) -> int:
    """How many endpoints in private networks that the operator did not list the running API refused."""
    listed = [ip_network(text) for text in context.settings.endpoint_networks]
    # A network that is listed is listed in every form of its addresses.
    some = [(a, a) for a in (*PRIVATE_V4[::2], *PRIVATE_V6[::2])] + [(a, "10.0.0.1") for a in carried("10.0.0.1")]
    asked = 0
    async with probe.temporary(context, probe.EVERYTHING) as issued:
        for address, meant in some:
            if any(ip_address(text) in network for text in (address, meant) for network in listed):
                continue
            body = {"url": f"https://{_bracketed(address)}/"}
            heard = await probe.ask(context, "POST", "/v1/webhooks", key=secret(issued), body=body)
            if heard.status == 429:
                continue
            if heard.status == 201:
                await probe.ask(context, "DELETE", f"/v1/webhooks/{heard.body['id']}", key=secret(issued))
            if heard.code != "invalid_url":
                raise _Taken(f"an endpoint at {address} was answered {heard.status} {heard.code}".rstrip())
            asked += 1
    return asked
