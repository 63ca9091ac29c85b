"""The resolver and the domain check against a real server: Debian's unbound."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from mailward.adapters.net.resolver import Resolver, ResolverOptions, Server
from mailward.core.domains.inspect import inspect
from mailward.core.domains.model import Domain, DomainState, InstallationNames, KeyPair, KeyState
from mailward.core.domains.records import installation_records, required_records
from mailward.protocol.dns import DnsQuery, Mx, Tlsa
from tests.scenarios.peers import Dns

NOW = datetime(2026, 3, 4, tzinfo=UTC)
NAMES = InstallationNames("spf.mail.example.net", "bounce.mail.example.net", ("mail.example.net",), ("192.0.2.7",))
DOMAIN = Domain("dom_1", "right.example.com", DomainState.PENDING, "token", NOW, NOW)
PAIR = KeyPair("key_1", "mw202603a", KeyState.PUBLISHING, bytes(range(256)) + b"R" * 38, b"E" * 32, b"", b"", NOW, NOW)
RECORDS = [
    "plain.example. 300 IN A 192.0.2.1",
    "plain.example. 300 IN AAAA 2001:db8::1",
    "plain.example. 300 IN MX 10 b.example.",
    "plain.example. 300 IN MX 5 a.example.",
    'plain.example. 300 IN TXT "one " "two"',
    "null.example. 300 IN MX 0 .",
    "_25._tcp.plain.example. 300 IN TLSA 3 1 1 " + "ab" * 32,
    *(f"many.example. 300 IN A 10.0.{i >> 8}.{i & 255}" for i in range(300)),
]


@pytest.fixture(scope="module")
def unbound() -> Iterator[Dns]:
    """unbound with the records above and a whole domain's."""
    wanted = [*installation_records(NAMES), *required_records(DOMAIN, [PAIR], NAMES)]
    with Dns([*RECORDS, *(r.zone_line for r in wanted)]) as server:
        yield server


@pytest.fixture
def resolver(unbound: Dns, clock: Any, entropy: Any) -> Resolver:
    """Asks that server only."""
    server = Server("127.0.0.1", unbound.port, trusted=True)
    return Resolver([server], clock=clock, entropy=entropy, options=ResolverOptions(timeout=3.0))


async def test_each_type_is_read(resolver: Resolver) -> None:
    """A real server's answers become our values."""
    assert (await resolver.resolve(DnsQuery("plain.example", "A"))).records == ("192.0.2.1",)
    assert (await resolver.resolve(DnsQuery("plain.example", "AAAA"))).records == ("2001:db8::1",)
    assert (await resolver.resolve(DnsQuery("plain.example", "MX"))).records == (
        Mx(5, "a.example"),
        Mx(10, "b.example"),
    )
    assert (await resolver.resolve(DnsQuery("plain.example", "TXT"))).records == (b"one two",)
    assert (await resolver.resolve(DnsQuery("null.example", "MX"))).records == (Mx(0, ""),)
    tlsa = await resolver.resolve(DnsQuery("_25._tcp.plain.example", "TLSA"))
    assert tlsa.records == (Tlsa(3, 1, 1, b"\xab" * 32),)


async def test_no_name_and_no_type_are_told_apart(resolver: Resolver) -> None:
    """nxdomain for a name that is not there, nodata for one without that type."""
    assert (await resolver.resolve(DnsQuery("plain.example", "CNAME"))).status == "nodata"
    assert (await resolver.resolve(DnsQuery("gone.plain.example", "A"))).status == "nxdomain"


async def test_a_large_answer_comes_over_tcp(resolver: Resolver) -> None:
    """Three hundred addresses do not fit a datagram and all arrive."""
    assert len((await resolver.resolve(DnsQuery("many.example", "A"))).records) == 300


async def test_a_whole_domain_is_checked(resolver: Resolver) -> None:
    """The zone lines we print, loaded by a real server, make every check ok."""
    seen = await resolver.drive(inspect(DOMAIN, [PAIR], NAMES))
    assert {c.record.purpose: c.state for c in seen.checks} == dict.fromkeys(
        ("ownership", "spf", "dkim-rsa", "dkim-ed25519", "return-path", "dmarc", "mta-sts", "tls-rpt"), "ok"
    )
