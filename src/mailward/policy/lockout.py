"""How often a secret may be tried: free tries, then a question, then waits that grow and end. Pure.

A bucket is the history of one account, one source address, or one place of the owner's.
A try is counted before anything is verified, so that tries made side by side are as few
as tries made one after another.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mailward.policy.gcra import Rate, decide


@dataclass(frozen=True, slots=True)
class LockRule:
    """`free` wrong tries, then a wait after each further `step`: `first` seconds, doubled up to `longest`.

    From the try after `ask` wrong ones on, a challenge has to be solved (0: never). `rate`
    bounds the tries whatever the waits: in any window of W seconds at most its quota plus
    W divided by its spacing. After `quiet` seconds without a try everything is forgotten.
    """

    name: str
    free: int
    step: int
    ask: int
    rate: Rate
    first: float = 60.0
    longest: float = 3600.0
    quiet: float = 86_400.0


@dataclass(frozen=True, slots=True)
class Bucket:
    """Wrong tries so far, the second until which it is locked, the rate's number, and when it was last tried."""

    tries: int = 0
    until: float = 0.0
    tat: float = 0.0
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Counted:
    """The try may be verified; `bucket` is to be stored first."""

    bucket: Bucket


@dataclass(frozen=True, slots=True)
class Locked:
    """Not now, but in `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Asked:
    """Only with a solved challenge."""


Verdict = Counted | Locked | Asked


def attempt(rule: LockRule, bucket: Bucket, now: float, *, proven: bool) -> Verdict:
    """What becomes of a try at `now` (seconds). `proven`: a challenge was solved with it."""
    if now - bucket.at > rule.quiet:
        bucket = Bucket(tat=bucket.tat)
    if now < bucket.until:
        return Locked(bucket.until - now)
    tat, decision = decide(rule.rate, bucket.tat, now)
    if not decision.allowed:
        return Locked(decision.retry_after)
    if rule.ask and bucket.tries >= rule.ask and not proven:
        return Asked()
    tries = bucket.tries + 1
    until = now + wait(rule, tries)
    return Counted(Bucket(tries, until if until > now else 0.0, tat, now))


def wait(rule: LockRule, tries: int) -> float:
    """Seconds nothing is taken after this many wrong tries."""
    over = tries - rule.free
    if over < 0 or over % rule.step:
        return 0.0
    # 2 ** 6 minutes is past an hour already; a larger exponent would only overflow.
    return min(rule.longest, rule.first * float(2 ** min(over // rule.step, 16)))


def right(rule: LockRule, bucket: Bucket, *, own: bool) -> Bucket:
    """The try was no guess: it is given back. In a bucket of the owner's `own` everything before was theirs too."""
    tat = bucket.tat - rule.rate.spacing
    if own:
        return replace(bucket, tries=0, until=0.0, tat=tat)
    tries = max(0, bucket.tries - 1)
    # The wait that this try would have begun does not begin.
    until = 0.0 if wait(rule, bucket.tries) else bucket.until
    return replace(bucket, tries=tries, until=until, tat=tat)
