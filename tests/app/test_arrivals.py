"""Connections are counted per source."""

from __future__ import annotations

import pytest

from mailward.app.arrivals import Arrivals
from mailward.base.errors import LimitReached
from mailward.edges.web.limits import LocalLimiter
from mailward.policy.gcra import Rate
from mailward.policy.source import source_of


def test_at_once() -> None:
    """So many of one source and so many in all; one that leaves makes room, one that was refused was not counted."""
    arrivals = Arrivals(LocalLimiter(lambda: 0.0), at_once=3, at_once_ip=2, rate=None)
    arrivals.opened("192.0.2.1")
    arrivals.opened("192.0.2.1")
    with pytest.raises(LimitReached):
        arrivals.opened("192.0.2.1")
    arrivals.opened("192.0.2.2")
    with pytest.raises(LimitReached):
        arrivals.opened("192.0.2.3")
    arrivals.closed("192.0.2.1")
    arrivals.opened("192.0.2.3")
    assert arrivals.open == 3


def test_a_rate_per_source() -> None:
    """A source that connects too often is refused until its time has come; others are not."""
    now = [0.0]
    arrivals = Arrivals(LocalLimiter(lambda: now[0]), at_once=100, at_once_ip=100, rate=Rate("c", 2, 60))
    for _ in range(2):
        arrivals.opened("192.0.2.1")
        arrivals.closed("192.0.2.1")
    with pytest.raises(LimitReached) as caught:
        arrivals.opened("192.0.2.1")
    assert 0 < caught.value.retry_after <= 30
    arrivals.opened("192.0.2.2")
    now[0] = 31.0
    arrivals.opened("192.0.2.1")


def test_an_ipv6_network_is_one_source() -> None:
    """All addresses of a /64 count as one, those of another do not."""
    assert source_of("2001:db8:1:2::1") == source_of("2001:db8:1:2:ffff::9") == "2001:db8:1:2::"
    assert source_of("2001:db8:1:3::1") != source_of("2001:db8:1:2::1")
    assert source_of("192.0.2.1") == "192.0.2.1"
    assert source_of("fe80::1%eth0") and source_of("nonsense:") == "nonsense:"


def test_the_table_of_times_stays_small() -> None:
    """Times that have passed are forgotten."""
    now = [0.0]
    table = LocalLimiter(lambda: now[0], capacity=20_000)
    arrivals = Arrivals(table, at_once=100_000, at_once_ip=9, rate=Rate("c", 60, 60))
    for n in range(20_001):
        ip = f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}"
        now[0] += 0.01
        arrivals.opened(ip)
        arrivals.closed(ip)
    assert len(table._buckets) < 20_000
