"""Bounces and complaints against a workspace's own habit: labelled months, and what is found of them."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Iterator

import pytest

from mailward.policy.reputation import HOURS_LOOKED_AT, Verdict, judge, worth_a_look

pytestmark = pytest.mark.claim("LOG-3")
NOW = 500_000
Hours = list[tuple[int, str, int]]


def _days(delivered: int, bounced: int, complained: int, last: int = NOW, days: int = 30) -> Hours:
    """The same every day, at noon."""
    at = [last - n * 24 - 12 for n in range(1, days + 1)]
    return [
        (hour, what, n)
        for hour in at
        for what, n in (("delivered", delivered), ("bounced", bounced), ("complained", complained))
    ]


def _one(hours: Hours) -> Verdict:
    (found,) = judge(hours, NOW)
    return found


def test_a_day_worse_than_all_before_is_told_with_both_shares() -> None:
    """The sentence names the number, the share, and the worst day before; the rule says how bad it is."""
    found = _one([*_days(980, 20, 0), (NOW - 1, "delivered", 800), (NOW - 1, "bounced", 200)])
    assert (found.rule, found.severity) == ("bounce-rate", "medium")
    assert found.sentence == (
        "200 recipients bounced within a day, 20.0 % of 1000; the worst day of the four weeks before had 2.0 %."
    )
    found = _one([*_days(1000, 0, 1), (NOW - 1, "delivered", 3000), (NOW, "complained", 12)])
    assert (found.rule, found.severity) == ("complaint-rate", "high")
    assert found.sentence.startswith("12 recipients complained within a day, 0.24 % of 5000; the worst day")


def test_whoever_has_no_habit_is_measured_by_the_limits_of_receivers() -> None:
    """A new workspace: ten percent of bounces and three in a thousand complaints are found, nine and two are not."""
    for what, many, few in (("bounced", 105, 90), ("complained", 4, 2)):
        scale = 1 if what == "bounced" else 3
        assert judge([(NOW, "delivered", 1000 * scale - many * scale), (NOW, what, many * scale)], NOW)
        assert not judge([(NOW, "delivered", 1000 * scale - few * scale), (NOW, what, few * scale)], NOW)


def test_a_handful_and_an_old_habit_say_nothing() -> None:
    """Four complaints of forty and nineteen bounces of twenty are too few; a list that always bounced still does."""
    assert not worth_a_look([(NOW, "bounced", 19), (NOW, "complained", 4), (NOW, "delivered", 9)])
    assert not judge([(NOW, "bounced", 19), (NOW, "complained", 4), (NOW, "delivered", 1)], NOW)
    assert not judge([*_days(800, 200, 4), (NOW, "delivered", 740), (NOW, "bounced", 260), (NOW, "complained", 5)], NOW)


def test_what_is_read_is_enough() -> None:
    """Counts older than what is asked of the store change nothing."""
    today: Hours = [(NOW, "delivered", 900), (NOW, "bounced", 110)]
    older = [(NOW - HOURS_LOOKED_AT - n, what, 500) for n in range(1, 200) for what in ("delivered", "bounced")]
    assert judge(today, NOW) == judge([*today, *older], NOW) != []


def _month(
    draw: random.Random, size: int, bounces: float, complaints: float, days: int
) -> Iterator[tuple[int, str, int]]:
    """A tenant's hours: quiet nights, weekends of a fifth, every other week a mailing to an older list."""
    for day in range(days):
        week = 0.2 if day % 7 in (5, 6) else 1.0
        mailing = day % 14 == 3
        for hour in range(8, 20):
            sent = int(draw.gauss(size, size / 4) * week / 12) + (size // 2 if mailing and hour == 10 else 0)
            share = bounces * (2.5 if mailing else draw.uniform(0.3, 1.7))
            back = sum(draw.random() < share for _ in range(max(0, sent)))
            at = NOW + day * 24 + hour
            yield at, "delivered", max(0, sent - back)
            yield at, "bounced", back
            yield at, "complained", sum(draw.random() < complaints for _ in range(max(0, sent)))


TENANTS = {
    "receipts": (3000, 0.004, 0.00005), "newsletters": (4000, 0.03, 0.0005), "a small shop": (150, 0.01, 0.0002),
    "an old list": (1200, 0.09, 0.001), "a startup": (600, 0.02, 0.0),
}  # fmt: skip


def test_labelled_months_are_told_apart() -> None:
    """Five tenants over ten weeks, each hit by a bought list and by a wave of spam: every attack is found within the
    day, and there is at most one false alarm a tenant and month."""
    draw, days, found, false, attacks = random.Random(5), 70, 0, 0, 0
    for size, bounces, complaints in TENANTS.values():
        hours = list(_month(draw, size, bounces, complaints, days))
        hits = {"bounce-rate": (NOW + 45 * 24 + 11, "bounced"), "complaint-rate": (NOW + 57 * 24 + 15, "complained")}
        for at, what in hits.values():
            hours += [(at, "delivered", 2 * size), (at, what, max(40, size // (1 if what == "bounced" else 40)))]
        told: dict[str, list[int]] = {rule: [] for rule in hits}
        hours.sort()
        for hour in range(NOW + 24, NOW + days * 24, 12):
            seen = hours[bisect_left(hours, (hour - HOURS_LOOKED_AT,)) : bisect_left(hours, (hour + 1,))]
            for verdict in judge(seen, hour):
                told[verdict.rule].append(hour)
        for rule, (at, _) in hits.items():
            attacks += 1
            found += any(at <= hour < at + 24 for hour in told[rule])
            # What is told again within a day is the same alarm.
            alarms = {hour // 24 for hour in told[rule] if not at <= hour < at + 72}
            false += len(alarms)
    print(f"recall {found}/{attacks}, false alarms {false} in {len(TENANTS) * days / 30:.0f} months of a tenant")
    assert found == attacks
    assert false <= len(TENANTS) * days // 30
