"""A burst is judged against a credential's own past."""

from __future__ import annotations

import pytest

from mailward.policy.bursts import DAY_SLOTS, BurstRule, Traffic, decide, slot_of

RULE = BurstRule(factor=10, floor=1000)


@pytest.mark.claim("RATE-2")
@pytest.mark.parametrize(
    ("now", "usual", "released", "code"),
    [
        (1000, 1, None, "usual_traffic"),  # at the floor nothing is judged
        (1001, 100, None, "unusual_burst"),
        (1001, 101, None, "usual_traffic"),  # 10 x 101 is more than 1001
        (50_000, None, None, "learning"),
        (50_000, 100, 500 - DAY_SLOTS + 1, "released"),
        (50_000, 100, 500 - DAY_SLOTS, "unusual_burst"),  # the owner's word holds for a day
        (50_000, 5000, None, "usual_traffic"),
        (50_001, 5000, None, "unusual_burst"),
    ],
)
def test_what_counts_as_a_burst(now: int, usual: int | None, released: int | None, code: str) -> None:
    """More than the floor and more than the factor times the usual peak, unless the owner vouched for it."""
    assert decide(RULE, Traffic(now, 500, usual, released)).code == code


@pytest.mark.parametrize("rule", [BurstRule(factor=0), BurstRule(floor=0)])
def test_off_is_off(rule: BurstRule) -> None:
    """A factor or a floor of 0 judges nothing."""
    assert decide(rule, Traffic(10**9, 500, 1)).code == "usual_traffic"


def test_a_slot_is_ten_minutes() -> None:
    """The last moment of a slot and the first of the next."""
    assert (slot_of(599.9), slot_of(600)) == (0, 1)
