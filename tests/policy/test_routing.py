"""Routes from DNS facts: order, loops, null MX, addresses that are left out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailward.base.outcome import PermFail, TempFail
from mailward.policy.egress import networks
from mailward.policy.routing import FixedRoute, Found, Host, Route, Surroundings, find, shuffled, turns
from mailward.protocol.dns import DnsAnswer, DnsQuery, Mx

NONE = DnsAnswer("nodata", ttl=60)


def mx(*pairs: tuple[int, str]) -> DnsAnswer:
    return DnsAnswer("ok", tuple(Mx(p, h) for p, h in pairs), ttl=300)


def a(*ips: str) -> DnsAnswer:
    return DnsAnswer("ok", ips, ttl=120)


def solve(domain: str, zone: dict[tuple[str, str], DnsAnswer], own: Surroundings | None = None, seed: int = 1) -> Found:
    asked: list[DnsQuery] = []
    generator = find(domain, own or Surroundings(), shuffled(seed))
    try:
        query = next(generator)
        while True:
            asked.append(query)
            assert len(asked) < 50
            query = generator.send(zone.get((query.name, query.type), NONE))
    except StopIteration as end:
        found: Found = end.value
        return found


def hosts(found: Found) -> list[str]:
    assert isinstance(found, Route), found
    return [h.ip for h in found.hosts]


def test_order_by_preference_and_families_in_turn() -> None:
    """Lower preference first; IPv6 and IPv4 of a host alternate."""
    zone = {
        ("b.test", "MX"): mx((20, "mx2.b.test"), (10, "mx1.b.test")),
        ("mx1.b.test", "A"): a("8.8.8.8", "8.8.4.4"),
        ("mx1.b.test", "AAAA"): a("2606:4700::1"),
        ("mx2.b.test", "A"): a("1.1.1.1"),
    }
    assert hosts(solve("b.test", zone)) == ["2606:4700::1", "8.8.8.8", "8.8.4.4", "1.1.1.1"]
    assert hosts(solve("b.test", zone, Surroundings(ipv6=False))) == ["8.8.8.8", "8.8.4.4", "1.1.1.1"]


def test_shuffle_among_equals_is_decided_by_the_seed() -> None:
    """Equal preferences are spread by the seed, and the same seed gives the same order."""
    zone = {("b.test", "MX"): mx(*((10, f"m{i}.b.test") for i in range(8)))}
    zone |= {(f"m{i}.b.test", "A"): a(f"8.8.8.{i}") for i in range(8)}
    assert hosts(solve("b.test", zone, seed=1)) == hosts(solve("b.test", zone, seed=1))
    assert len({tuple(hosts(solve("b.test", zone, seed=s))) for s in range(20)}) > 5


def test_null_mx() -> None:
    """A null MX is a refusal at once (RFC 7505)."""
    found = solve("b.test", {("b.test", "MX"): mx((0, ""))})
    assert found == PermFail("null_mx", found.text, 556, "5.1.10")  # type: ignore[union-attr]


def test_implicit_mx() -> None:
    """Without MX records the domain's own address is used; without that there is no route."""
    assert hosts(solve("b.test", {("b.test", "A"): a("8.8.8.8")})) == ["8.8.8.8"]
    assert isinstance(solve("b.test", {}), PermFail)


@pytest.mark.parametrize("status", ["servfail", "timeout"])
def test_silence_is_not_absence(status: str) -> None:
    """A lookup that fails defers, at the MX and at the address."""
    lost = DnsAnswer(status)  # type: ignore[arg-type]
    for zone in ({("b.test", "MX"): lost}, {("b.test", "MX"): mx((1, "m.b.test")), ("m.b.test", "A"): lost}):
        found = solve("b.test", zone)
        assert isinstance(found, TempFail) and found.reason == "dns_failure"


def test_unknown_domain() -> None:
    """NXDOMAIN is final and about the domain."""
    found = solve("b.test", {("b.test", "MX"): DnsAnswer("nxdomain")})
    assert isinstance(found, PermFail) and found.reason == "bad_domain"


def test_loop() -> None:
    """We and whatever is no better than we drop out; if nothing is left it is a loop."""
    own = Surroundings(own_names=frozenset(("us.test",)))
    zone = {
        ("b.test", "MX"): mx((5, "best.test"), (10, "US.test."), (10, "same.test"), (20, "worse.test")),
        ("best.test", "A"): a("8.8.8.8"),
        ("same.test", "A"): a("8.8.4.4"),
    }
    assert hosts(solve("b.test", zone, own)) == ["8.8.8.8"]
    found = solve("b.test", {("b.test", "MX"): mx((10, "us.test"))}, own)
    assert isinstance(found, PermFail) and found.reason == "loop"


@pytest.mark.parametrize("ip", ["127.0.0.1", "169.254.169.254", "10.0.0.1", "203.0.113.1", "9.9.9.9"])
def test_addresses_left_out(ip: str) -> None:
    """Private addresses and our own are never dialled, unless listed."""
    zone = {("b.test", "MX"): mx((1, "m.b.test")), ("m.b.test", "A"): a(ip)}
    found = solve("b.test", zone, Surroundings(own_ips=frozenset(("9.9.9.9",))))
    assert isinstance(found, PermFail) and found.reason == "no_route"
    if ip != "9.9.9.9":
        assert hosts(solve("b.test", zone, Surroundings(allow=networks([ip])))) == [ip]


def test_two_hundred_servers() -> None:
    """A domain with 200 MX records gets ten tries and few questions."""
    zone = {("b.test", "MX"): mx(*((i, f"m{i}.b.test") for i in range(200)))}
    zone |= {(f"m{i}.b.test", "A"): a(f"8.8.8.{i}") for i in range(200)}
    assert len(hosts(solve("b.test", zone))) == 10


def test_fixed_routes() -> None:
    """The closest fixed route counts, and no MX is asked for."""
    fixed = {
        "b.test": FixedRoute("8.8.8.8", 2525),
        ".b.test": FixedRoute("relay.test"),
        "*": FixedRoute("9.9.9.9"),
    }
    own = Surroundings(fixed=fixed)
    found = solve("b.test", {}, own)
    assert isinstance(found, Route) and found.hosts[0] == ("8.8.8.8", "8.8.8.8", 2525)
    assert hosts(solve("x.y.b.test", {("relay.test", "A"): a("1.1.1.1")}, own)) == ["1.1.1.1"]
    assert hosts(solve("other.test", {}, own)) == ["9.9.9.9"]


RECEIVED = Surroundings(
    own_names=frozenset(("us.test",)),
    receives=lambda domain: domain in ("b.test", "us.test"),
    home=(Host("us.test", "127.0.0.1", 2525),),
)


@pytest.mark.parametrize(
    ("domain", "zone"),
    [
        ("b.test", {("b.test", "MX"): mx((10, "us.test"))}),
        ("b.test", {("b.test", "MX"): mx((10, "US.test."), (20, "worse.test")), ("worse.test", "A"): a("8.8.8.8")}),
        ("us.test", {("us.test", "A"): a("8.8.8.8")}),
    ],
)
def test_what_is_received_here_stays_here(domain: str, zone: dict[tuple[str, str], DnsAnswer]) -> None:
    """A domain whose best MX we are, and whose mail we receive, comes to our own listener; any other is a loop."""
    found = solve(domain, zone, RECEIVED)
    assert isinstance(found, Route) and found.hosts == RECEIVED.home
    stranger = solve(domain, zone, replace(RECEIVED, receives=lambda domain: False))
    assert isinstance(stranger, PermFail) and stranger.reason == "loop"


def test_a_better_exchanger_goes_before_our_own() -> None:
    """Whom the domain prefers to us gets its mail, also where we receive for it."""
    zone = {("b.test", "MX"): mx((5, "best.test"), (10, "us.test")), ("best.test", "A"): a("8.8.8.8")}
    assert hosts(solve("b.test", zone, RECEIVED)) == ["8.8.8.8"]


def test_a_machine_without_the_listener_asks_where_its_name_leads() -> None:
    """A node that does not receive sends to the installation's name as anybody does; private addresses if listed."""
    zone = {("b.test", "MX"): mx((10, "us.test")), ("us.test", "A"): a("10.0.0.1")}
    apart = replace(RECEIVED, home=())
    found = solve("b.test", zone, apart)
    assert isinstance(found, PermFail) and found.reason == "no_route"
    assert hosts(solve("b.test", zone, replace(apart, allow=networks(["10.0.0.1"])))) == ["10.0.0.1"]


@pytest.mark.parametrize("address", [NONE, a("10.0.0.1")])
def test_servers_that_were_not_looked_at_may_have_an_address(address: DnsAnswer) -> None:
    """Where only the first of very many servers were asked for, that none will do is no reason to give up for good."""
    zone = {("b.test", "MX"): mx(*((i, f"m{i}.b.test") for i in range(200)))}
    zone |= {(f"m{i}.b.test", "A"): address for i in range(20)}
    found = solve("b.test", zone)
    assert isinstance(found, TempFail) and found.reason == "dns_failure"
    few = {("b.test", "MX"): mx(*((i, f"m{i}.b.test") for i in range(20)))} | {
        (f"m{i}.b.test", "A"): address for i in range(20)
    }
    assert isinstance(solve("b.test", few), PermFail)


def test_equals_take_turns() -> None:
    """Each of the best equals leads once and none is lost; a host's addresses stay together, preferences in order."""
    zone = {("b.test", "MX"): mx(*((10, f"m{i}.b.test") for i in range(4)), (20, "last.b.test"))}
    zone |= {(f"m{i}.b.test", "A"): a(f"8.8.8.{i}", f"8.8.4.{i}") for i in range(2)}
    zone |= {(f"m{i}.b.test", "A"): a(f"8.8.8.{i}") for i in (2, 3)} | {("last.b.test", "A"): a("1.1.1.1")}
    found = solve("b.test", zone)
    assert isinstance(found, Route)
    orders = turns(found, shuffled)
    assert {order[0].name for order in orders} == {f"m{i}.b.test" for i in range(4)} and len(orders) == 4
    for order in orders:
        assert sorted(order) == sorted(found.hosts) and order[-1].ip == "1.1.1.1"
        assert [h.ip for h in order if h.name == "m0.b.test"] == ["8.8.8.0", "8.8.4.0"]
        names = [h.name for h in order]
        assert abs(names.index("m0.b.test") - (len(names) - 1 - names[::-1].index("m0.b.test"))) == 1


def test_who_has_no_equal_has_one_order() -> None:
    """One host, different preferences, a fixed route: nothing is shuffled."""
    for zone in (
        {("b.test", "MX"): mx((10, "m.b.test")), ("m.b.test", "A"): a("8.8.8.8", "8.8.4.4")},
        {("b.test", "MX"): mx((10, "m.b.test"), (20, "n.b.test")), ("m.b.test", "A"): a("8.8.8.8")},
        {("b.test", "A"): a("8.8.8.8")},
    ):
        found = solve("b.test", zone)
        assert isinstance(found, Route) and turns(found, shuffled) == [found.hosts]
