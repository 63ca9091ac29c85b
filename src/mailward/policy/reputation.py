"""Do more of a workspace's messages come back, or draw complaints, than it is used to? Pure.

Looked at are the last day and, as the habit, each day of the four weeks before it. A
workspace is compared with its own worst day: what a sender of newsletters to old lists is
used to alarms nobody, and the same share at a sender of receipts does. Without a habit the
shares count that large receivers publish as their limits. A handful is never judged:
small numbers are uneven by nature.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from mailward.policy.detection import Severity

HOURS_LOOKED_AT = 32 * 24
"""How far back counts are needed: a day, four weeks of habit, and what complaints of the oldest day are about."""

_DAY, _HABIT_DAYS = 24, 28
# A share of less than so many recipients says nothing about a habit.
_ENOUGH = 100
# Twice its worst day is worse at anybody; whose worst day was bad needs less (`_Measure.above`) to be in trouble.
_WORSE = 2.0
# Complaints come up to three days after the message they are about.
_COMPLAINT_HOURS = 72


@dataclass(frozen=True, slots=True)
class _Measure:
    """What is counted (`what`) as a share of `of`, over a day and over `hours`. Shares are fractions of one."""

    rule: str
    severity: Severity
    what: str
    of: tuple[str, ...]
    hours: int
    least: int
    share: float
    without_habit: float
    above: float
    verb: str


_MEASURES = (
    # Providers of sending suspend accounts at five to ten percent.
    _Measure("bounce-rate", Severity.MEDIUM, "bounced", ("delivered", "bounced"), _DAY, 20, 0.05, 0.10,
             0.08, "bounced"),
    # Gmail and Yahoo ask bulk senders to stay under 0.1 % and refuse from 0.3 % on.
    _Measure("complaint-rate", Severity.HIGH, "complained", ("delivered",), _COMPLAINT_HOURS, 5, 0.001, 0.003,
             0.003, "complained"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """A rule that found something, with the sentence that says what."""

    rule: str
    severity: Severity
    sentence: str


def worth_a_look(hours: Iterable[tuple[int, str, int]]) -> bool:
    """Whether a day's counts, (hour, what, how many) each, could be judged at all: else nothing more has to be read."""
    sums = Counter[str]()
    for _, what, n in hours:
        sums[what] += n
    return any(sums[m.what] >= m.least for m in _MEASURES)


def judge(hours: Iterable[tuple[int, str, int]], hour: int) -> list[Verdict]:
    """What the counts of a workspace, (hour since 1970, what, how many) each, say as of an hour."""
    counts: dict[str, Counter[int]] = {}
    for at, what, n in hours:
        counts.setdefault(what, Counter())[at] += n
    return [v for m in _MEASURES if (v := _judge(m, counts, hour)) is not None]


def _judge(m: _Measure, counts: dict[str, Counter[int]], hour: int) -> Verdict | None:
    def within(what: str, last: int, hours: int) -> int:
        there = counts.get(what)
        return 0 if there is None else sum(there[h] for h in range(last - hours + 1, last + 1))

    def of_day(last: int) -> tuple[int, int]:
        return within(m.what, last, _DAY), sum(within(what, last, m.hours) for what in m.of)

    found, base = of_day(hour)
    if found < m.least or not base:
        return None
    share = found / base
    days = [of_day(hour - n * _DAY) for n in range(1, _HABIT_DAYS + 1)]
    habits = [had / out_of for had, out_of in days if out_of >= _ENOUGH]
    if habits:
        worst = max(habits)
        if share < m.share or share <= min(_WORSE * worst, worst + m.above):
            return None
        before = f"the worst day of the four weeks before had {_percent(worst)}"
    else:
        if share < m.without_habit:
            return None
        before = "there are no weeks before to compare with"
    return Verdict(
        m.rule, m.severity, f"{found} recipients {m.verb} within a day, {_percent(share)} of {base}; {before}."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %" if share < 0.01 else f"{100 * share:.1f} %"
