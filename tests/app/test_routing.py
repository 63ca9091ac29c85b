"""Routes as a worker keeps them: our own listener, and equals that take turns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from mailward.adapters.host.clock import SystemClock, SystemEntropy
from mailward.adapters.net.resolver import Resolver
from mailward.app import routing
from mailward.app.routing import Routes, at_home
from mailward.app.settings import Delivery
from mailward.base.outcome import PermFail
from mailward.core.delivery.attempt import Route
from mailward.protocol.dns import DnsAnswer, DnsQuery, Mx


class Zone:
    """A resolver that knows some records."""

    def __init__(self, records: dict[tuple[str, str], DnsAnswer]) -> None:
        self.records = records
        self.asked = 0

    async def drive(self, lookup: Any) -> Any:
        try:
            query: DnsQuery = next(lookup)
            while True:
                self.asked += 1
                query = lookup.send(self.records.get((query.name, query.type), DnsAnswer("nodata", ttl=60)))
        except StopIteration as end:
            return end.value


def routes(
    records: dict[tuple[str, str], DnsAnswer],
    receives: Callable[[str], bool] = lambda domain: False,
    mx: Sequence[str] = (),
    proxies: Sequence[str] = (),
) -> Routes:
    return Routes(
        Delivery(), cast(Resolver, Zone(records)), hostname="us.test", sink_port=0, clock=SystemClock(),
        entropy=SystemEntropy(), receives=receives, mx=mx, proxies=proxies,
    )  # fmt: skip


OURS = {("b.test", "MX"): DnsAnswer("ok", (Mx(10, "us.test"),), ttl=300)}
EQUALS = {
    ("b.test", "MX"): DnsAnswer("ok", tuple(Mx(10, f"m{i}.b.test") for i in range(4)), ttl=300),
    **{(f"m{i}.b.test", "A"): DnsAnswer("ok", (f"8.8.8.{i}",), ttl=300) for i in range(4)},
}


async def test_mail_for_a_domain_received_here_goes_to_our_own_listener() -> None:
    """Though its address is loopback; for a domain that is not received here it is a loop."""
    ours = routes(OURS, receives=lambda domain: domain == "b.test", mx=["127.0.0.1:2525"])
    found = await ours.route("b.test")
    assert isinstance(found, Route) and found.hosts == (("us.test", "127.0.0.1", 2525),)
    assert ours.cached("b.test") == found
    lost = await routes(OURS, mx=["127.0.0.1:2525"]).route("b.test")
    assert isinstance(lost, PermFail) and (lost.reason, lost.enhanced) == ("loop", "5.4.6")


async def test_a_listener_behind_a_balancer_is_reached_through_it() -> None:
    """Where loopback must speak for somebody else (PROXY protocol), we go where our name leads."""
    records = OURS | {("us.test", "A"): DnsAnswer("ok", ("8.8.8.8",), ttl=60)}
    found = await routes(records, receives=lambda d: True, mx=["127.0.0.1:25"], proxies=["127.0.0.0/8"]).route("b.test")
    assert isinstance(found, Route) and found.hosts == (("us.test", "8.8.8.8", 25),)


@pytest.mark.parametrize("public", ["", "8.8.8.8"])
def test_at_home(public: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listener on every address is reached at the one the world knows, so that SPF holds; else by loopback."""
    monkeypatch.setattr(routing, "_public_address", lambda: public)
    assert at_home("0.0.0.0:25") == (public or "127.0.0.1", 25)
    assert at_home("[::]:25") == (public or "127.0.0.1", 25)
    assert at_home("192.0.2.1:2525") == ("192.0.2.1", 2525)
    assert at_home("[2001:db8::1]:25") == ("2001:db8::1", 25)


async def test_equals_share_the_load_of_one_kept_route() -> None:
    """Hosts of equal preference are taken in turn while the route is kept: no look-up, and each leads as often."""
    ours = routes(EQUALS)
    used = [await ours.route("b.test"), *(ours.cached("b.test") for _ in range(39))]
    assert Counter(r.hosts[0].name for r in used if isinstance(r, Route)) == {f"m{i}.b.test": 10 for i in range(4)}
    alone = routes({**EQUALS, ("b.test", "MX"): DnsAnswer("ok", (Mx(10, "m1.b.test"),), ttl=300)})
    assert await alone.route("b.test") is alone.cached("b.test")
