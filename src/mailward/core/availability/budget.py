"""The error budget: how much of a month may be bad, how much of it was, and how fast it is being spent.

Minutes are integers since 1970, so that a day's end and a month's are exact. Nothing here asks a clock or a store.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from mailward.core.availability.model import MINUTES_A_DAY, Day, Outage

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Budget(NamedTuple):
    """A month: minutes that may be bad, that were, and the share of good ones among those measured (None: none were).

    `minutes` is how long the month is; the allowance is of all of it, from its first minute on.
    """

    minutes: int
    allowed: float
    spent: int
    measured: int
    share: float | None

    @property
    def left(self) -> float:
        """Minutes that may still be bad; negative when the target was missed."""
        return self.allowed - self.spent


class BurnRule(NamedTuple):
    """Alert when the budget is spent `rate` times as fast as the target allows, in both windows (minutes).

    The long window shows that it matters, the short one that it has not ended (Google, The Site Reliability Workbook,
    chapter 5).
    """

    name: str
    rate: float
    long: int
    short: int


RULES = (BurnRule("fast", 14.4, 60, 5), BurnRule("slow", 6.0, 360, 30))


def month_of(now: datetime) -> tuple[int, int]:
    """The first day of the UTC month and that of the next, counted from 1970."""
    first = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = (first + timedelta(days=32)).replace(day=1)
    return (first - _EPOCH).days, (following - _EPOCH).days


def budget(days: Sequence[Day], month: tuple[int, int], target: float) -> Budget:
    """What a month's days leave of it. `target` is a share, such as 0.999."""
    inside = [d for d in days if month[0] <= d.day < month[1]]
    measured = sum(d.measured for d in inside)
    good = sum(d.good for d in inside)
    minutes = (month[1] - month[0]) * MINUTES_A_DAY
    share = good / measured if measured else None
    return Budget(minutes, minutes * (1 - target), measured - good, measured, share)


def bad_minutes(outages: Sequence[Outage], first: int, end: int) -> int:
    """Minutes of [first, end) in which something did not answer."""
    return sum(max(0, min(o.until, end) - max(o.began, first)) for o in outages)


def burning(outages: Sequence[Outage], minute: int, target: float) -> list[BurnRule]:
    """The rules that alert at the end of `minute`, the fastest first."""
    allowed = 1 - target
    end = minute + 1

    def rate(window: int) -> float:
        return bad_minutes(outages, end - window, end) / window / allowed

    return [r for r in RULES if rate(r.long) >= r.rate and rate(r.short) >= r.rate]
