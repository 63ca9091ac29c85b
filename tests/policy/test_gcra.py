"""GCRA: a burst of the quota at once, then the steady rate; told truthfully."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailward.policy.gcra import Rate, decide

RATE = Rate("r", 10, 60.0)


def test_the_quota_may_come_at_once_and_not_one_more() -> None:
    """Ten of ten pass at one instant; the eleventh waits for one spacing."""
    tat = 0.0
    left = []
    for _ in range(10):
        tat, decision = decide(RATE, tat, 1000.0)
        assert decision.allowed
        left.append(decision.remaining)
    assert left == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    same, decision = decide(RATE, tat, 1000.0)
    assert not decision.allowed
    assert same == tat
    assert abs(decision.retry_after - 6.0) < 1e-6
    assert decide(RATE, tat, 1000.0 + decision.retry_after)[1].allowed


def test_a_cost_above_the_quota_never_passes() -> None:
    """A request that costs more than the bucket holds is refused, not let through when the bucket is full."""
    assert not decide(RATE, 0.0, 1000.0, cost=11)[1].allowed


@given(st.lists(st.floats(0, 5), max_size=200))
def test_no_window_sees_more_than_twice_the_quota(gaps: list[float]) -> None:
    """Whatever the arrivals, any window has at most a burst plus one window's steady rate."""
    now, tat, passed = 1000.0, 0.0, []
    for gap in gaps:
        now += gap
        tat, decision = decide(RATE, tat, now)
        if decision.allowed:
            passed.append(now)
    for start in passed:
        assert sum(1 for t in passed if start <= t < start + RATE.window) <= 2 * RATE.quota
