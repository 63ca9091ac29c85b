"""Waits that grow and end, and a rate that holds in every window."""

from __future__ import annotations

import random

from mailward.policy.gcra import Rate
from mailward.policy.lockout import Asked, Bucket, Counted, Locked, LockRule, attempt, right, wait

RULE = LockRule("r", 10, 5, 5, Rate("r", 20, 2400))


def test_waits_double_up_to_an_hour() -> None:
    """After ten wrong tries one minute, then 2, 4, ... after each five more, and never more than sixty."""
    assert [wait(RULE, n) / 60 for n in range(10, 60, 5)] == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert all(wait(RULE, n) == 0 for n in (1, 9, 11, 14, 16))


def test_a_solved_challenge_is_asked_after_five() -> None:
    """The sixth try needs one; with it the try counts."""
    bucket = Bucket()
    for _ in range(5):
        verdict = attempt(RULE, bucket, 1e9, proven=False)
        assert isinstance(verdict, Counted)
        bucket = verdict.bucket
    assert attempt(RULE, bucket, 1e9, proven=False) == Asked()
    assert isinstance(attempt(RULE, bucket, 1e9, proven=True), Counted)


def test_no_hour_has_more_tries_than_the_rate_allows() -> None:
    """Whatever the rhythm of the attacker, any hour holds at most the quota and the refill of an hour."""
    draw = random.Random(5)
    for _ in range(20):
        now, bucket, taken = 1e9, Bucket(), []
        for _ in range(3000):
            now += draw.choice((0.1, 1.0, 10.0, 61.0))
            verdict = attempt(RULE, bucket, now, proven=True)
            if isinstance(verdict, Counted):
                bucket = verdict.bucket
                taken.append(now)
        assert max(sum(t <= u <= t + 3600 for u in taken) for t in taken) <= 20 + 3600 / RULE.rate.spacing


def test_a_quiet_day_forgets_and_a_lock_ends_by_itself() -> None:
    """After a lock has run out the next try counts; after a day without any the count begins anew."""
    locked = Bucket(10, 1e9 + 60, 0.0, 1e9)
    assert isinstance(attempt(RULE, locked, 1e9 + 59, proven=True), Locked)
    assert isinstance(attempt(RULE, locked, 1e9 + 61, proven=True), Counted)
    verdict = attempt(RULE, locked, 1e9 + 2 * 86_400, proven=False)
    assert isinstance(verdict, Counted) and verdict.bucket.tries == 1


def test_a_right_try_takes_back_only_itself_among_strangers() -> None:
    """In a shared bucket the guesses before it stay counted; in the owner's own they were the owner's."""
    bucket = Bucket(10, 1e9 + 60, 1e9 + 600, 1e9)
    assert right(RULE, bucket, own=False).tries == 9 and right(RULE, bucket, own=False).until == 0.0
    assert right(RULE, bucket, own=True).tries == 0
