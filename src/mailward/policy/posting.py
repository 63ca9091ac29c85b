"""What an endpoint's answer to a POST means, and when it is asked again: for events and for received mail alike.

2xx is done, 410 is a farewell, everything else (redirects too) is tried again by the
schedule that Standard Webhooks 1.0.0 recommends, so that an endpoint that is away for
a day loses nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from mailward.base.errors import Invalid
from mailward.base.outcome import Done, Outcome, PermFail, TempFail

# Standard Webhooks 1.0.0, "deliverability": seconds before each attempt, from the one before it.
SCHEDULE = (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
# An endpoint may ask for patience, but not for more than the longest step.
RETRY_AFTER_MAX = 86_400
RESPONSE_READ_MAX = 64 * 1024
RESPONSE_KEPT = 1024
# An endpoint that took nothing for this long is disabled when something has used up its schedule; one for which so
# much waits that nothing comes that far, in twice the time, when something that waited for this long is not taken.
FAILING_MAX_US = 5 * 86_400_000_000
# An endpoint that took nothing so many times in a row rests: a quarter of the time that lasts, within these seconds.
FAILURES_BEFORE_REST = 3
_REST = (0.5, 30.0)
# One replay: how many, and how many a second become due, so that catching up is no flood.
REPLAY_MAX = 10_000
REPLAY_PER_SECOND = 20
_AHEAD_MAX_US = 366 * 86_400_000_000


def judge(status: int, error: str, retry_after: float | None) -> Outcome:
    """What an answer means. `error` is why there was none, or "". `retry_after` in seconds, as the endpoint asked."""
    if error:
        return TempFail("no_answer", error)
    if 200 <= status < 300:
        return Done()
    if status == 410:
        return PermFail("gone", "The endpoint answered 410 Gone.", code=410)
    return TempFail("refused", f"HTTP {status}", code=status, retry_after=retry_after)


def said(body: bytes, error: str) -> str:
    """The excerpt that is kept of an answer: at most RESPONSE_KEPT octets without NUL, or why there was none."""
    return error or body[:RESPONSE_KEPT].decode("utf-8", "replace").replace("\0", "\ufffd")


def delay_before(attempt: int, jitter: float) -> float | None:
    """Seconds to wait before attempt `attempt` (from 1), up to a fifth longer as `jitter` in [0, 1) says.

    None when the schedule is used up.
    """
    if attempt > len(SCHEDULE):
        return None
    return SCHEDULE[attempt - 1] * (1 + jitter / 5)


def next_attempt(failed: TempFail, number: int, at: int, jitter: float) -> int | None:
    """When what failed at its attempt `number` is tried again, in microseconds UTC; None when that was the last."""
    delay = delay_before(number + 1, jitter)
    if delay is None:
        return None
    if failed.retry_after is not None:
        delay = max(delay, min(failed.retry_after, RETRY_AFTER_MAX))
    return at + int(delay * 1_000_000)


def rest(failing_for: float) -> float:
    """Seconds before an endpoint that took nothing for `failing_for` seconds is asked again."""
    least, most = _REST
    return min(max(failing_for / 4, least), most)


def silent_too_long(failing_since: int | None, at: int, *, last: bool, since: int) -> bool:
    """Whether an endpoint took nothing for so long that it is given up. Microseconds UTC; `last` when this was the last
    attempt of something, `since` when that something happened.

    Nothing may have been tried for weeks: then the first failure after them is no silence of weeks.
    """
    if failing_since is None:
        return False
    silent = at - failing_since
    return silent >= FAILING_MAX_US if last else silent >= 2 * FAILING_MAX_US and at - since >= FAILING_MAX_US


class Span(NamedTuple):
    """[since, until) in microseconds UTC."""

    since: int
    until: int


def span(since: int | None, until: int | None, *, now: int, oldest: int) -> Span:
    """What a replay reaches over: from `oldest` up to now if nothing else is asked. Invalid for no span at all."""
    asked = Span(oldest if since is None else since, now + 1 if until is None else until)
    if not 0 <= asked.since < asked.until or asked.until > now + _AHEAD_MAX_US:
        raise Invalid("invalid_field", "`since` is before `until`.", field="since")
    return asked


def due_times(count: int, now: int) -> list[int]:
    """When each of `count` replayed things becomes due, so that REPLAY_PER_SECOND are."""
    return [now + n * 1_000_000 // REPLAY_PER_SECOND for n in range(count)]
