"""Count a try before it is verified, and give it back when it was right.

Strangers share an account's bucket and have one for their source. A browser or an
address from which the owner signed in has a bucket of its own, so that no number of
strangers keeps the owner out. All of an account's buckets together let through at most
100 verifications in any hour: 50 of strangers, 25 from known addresses, 25 from known
browsers.
"""

from __future__ import annotations

from datetime import datetime

from mailward.base.errors import ChallengeRequired, LimitReached
from mailward.core.guard.model import BucketKey, Ladder, Tried
from mailward.core.guard.ports import GuardTx
from mailward.policy.gcra import Rate
from mailward.policy.lockout import Asked, Counted, Locked, LockRule, attempt, right

_NEVER = 1 << 30
_HOUR = 3600.0


def _hourly(most: int, at_once: int) -> Rate:
    """At most `most` in any hour, `at_once` of them at once."""
    return Rate("tries", at_once, _HOUR * at_once / (most - at_once))


def _ladder(kind: str, *, free: int, step: int, ask: int, hourly: tuple[int, int, int]) -> Ladder:
    strangers, addresses, devices = hourly

    def rule(name: str, rate: Rate, free: int = free, ask: int = ask) -> LockRule:
        return LockRule(f"{kind}.{name}", free, step, ask, rate)

    return Ladder(
        account=rule("account", _hourly(strangers, strangers * 2 // 5)),
        # An office of people who mistype is one source: twice the tries before it waits.
        source=rule("source", Rate("tries", 60, _HOUR), free=2 * free),
        device=rule("device", _hourly(devices, devices * 2 // 5)),
        devices=rule("devices", _hourly(devices, devices * 2 // 5), free=_NEVER, ask=0),
        address=rule("address", _hourly(addresses, addresses * 2 // 5)),
        addresses=rule("addresses", _hourly(addresses, addresses * 2 // 5), free=_NEVER, ask=0),
    )


LADDERS = {
    "password": _ladder("password", free=10, step=5, ask=5, hourly=(50, 25, 25)),
    # Of a million codes three are right at a time: sixty tries an hour find one in half a year on average.
    "factor": _ladder("factor", free=5, step=3, ask=0, hourly=(30, 15, 15)),
    # Each asks us to mail somebody, right or not.
    "reset": _ladder("reset", free=10, step=5, ask=5, hourly=(20, 10, 10)),
}
TOKENS = LockRule("token.source", 30, 10, 0, Rate("tries", 6000, _HOUR))
"""Wrong API keys and SMTP passwords of one source. Nobody guesses 256 random bits: this is against the noise."""


async def count_try(tx: GuardTx, kind: str, tried: Tried, *, proven: bool, now: datetime) -> None:
    """Count a try; from the commit on it may be verified. System scope.

    LimitReached while it has to wait, ChallengeRequired when one has to be solved first:
    then nothing is counted. An account that does not exist is counted like any other.
    """
    rules = await _rules(tx, kind, tried)
    at = now.timestamp()
    held = await tx.guard.hold([(rule.name, token) for rule, token in rules])
    verdicts = [(key, attempt(rule, held[key], at, proven=proven)) for rule, key in _keys(rules)]
    waits = [v.seconds for _, v in verdicts if isinstance(v, Locked)]
    if waits:
        raise too_many(max(waits))
    if any(isinstance(v, Asked) for _, v in verdicts):
        raise asked()
    await tx.guard.put({key: v.bucket for key, v in verdicts if isinstance(v, Counted)})


async def give_back(tx: GuardTx, kind: str, tried: Tried) -> None:
    """The try was right. System scope."""
    rules = await _rules(tx, kind, tried)
    held = await tx.guard.hold([(rule.name, token) for rule, token in rules])
    ladder = LADDERS[kind]
    own = (ladder.device.name, ladder.address.name)
    await tx.guard.put({key: right(rule, held[key], own=rule.name in own) for rule, key in _keys(rules)})


async def wrong_so_far(tx: GuardTx, kind: str, tried: Tried) -> int:
    """Wrong tries of strangers at the account that were not forgotten yet."""
    key = (LADDERS[kind].account.name, tried.account)
    found = (await tx.guard.look([key])).get(key)
    return 0 if found is None else found.tries


async def note_wrong_tokens(tx: GuardTx, source: bytes, wrong: int, *, now: datetime, rule: LockRule = TOKENS) -> float:
    """Add wrong keys of a source; seconds that it has to wait. System scope."""
    key = (rule.name, source)
    bucket = (await tx.guard.hold([key]))[key]
    at = now.timestamp()
    for _ in range(min(wrong, 1000)):
        verdict = attempt(rule, bucket, at, proven=True)
        if not isinstance(verdict, Counted):
            break
        bucket = verdict.bucket
    await tx.guard.put({key: bucket})
    return max(0.0, bucket.until - at)


def too_many(seconds: float) -> LimitReached:
    """The refusal of who has to wait."""
    minutes = max(1, round(seconds / 60))
    return LimitReached(
        "too_many_failures",
        f"Too many failed sign-ins. Try again in {minutes} minute{'s' if minutes > 1 else ''}.",
        retry_after=seconds,
    )


def asked() -> ChallengeRequired:
    """The refusal of who has to solve a challenge first."""
    return ChallengeRequired("challenge_required", "Please show that you are not a program, and try again.")


async def _rules(tx: GuardTx, kind: str, tried: Tried) -> list[tuple[LockRule, bytes]]:
    """The buckets of a try. Of two places of the owner's the browser counts: an address may be shared with others."""
    ladder = LADDERS[kind]
    places = [tried.at_address] if tried.at_device is None else [tried.at_address, tried.at_device]
    known = await tx.guard.known(tried.account, places)
    if tried.at_device is not None and tried.at_device in known:
        return [(ladder.device, tried.at_device), (ladder.devices, tried.account)]
    if tried.at_address in known:
        return [(ladder.address, tried.at_address), (ladder.addresses, tried.account), (ladder.source, tried.source)]
    return [(ladder.account, tried.account), (ladder.source, tried.source)]


def _keys(rules: list[tuple[LockRule, bytes]]) -> list[tuple[LockRule, BucketKey]]:
    return [(rule, (rule.name, token)) for rule, token in rules]
