"""judge(): what an outcome means for a copy: done, again and when, or never and whether the address is dead."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from mailward.base.outcome import Done, Outcome, PermFail, TempFail
from mailward.core.delivery.attempt import Verdict
from mailward.core.messages.model import DeliveryState
from mailward.policy import bounces, retry

_NEVER = 0


def judge(
    outcome: Outcome, attempt: int, *, created: int, now: int, schedule: retry.Schedule, jitter: Callable[[], float]
) -> Verdict:
    """The verdict on attempt number `attempt` (1 is the first); times in microseconds UTC."""
    match outcome:
        case Done():
            return Verdict(DeliveryState.DELIVERED, _NEVER, "", hard=False)
        case PermFail(reason=reason):
            return Verdict(DeliveryState.BOUNCED, _NEVER, reason, bounces.is_hard(reason))
        case TempFail(reason=reason, tried=False) if (now - created) / 1e6 < schedule.max_age:
            return Verdict(DeliveryState.QUEUED, now + int((outcome.retry_after or 1.0) * 1e6), reason, hard=False)
        case TempFail(reason=reason):
            wait = retry.next_wait(schedule, attempt, (now - created) / 1e6, outcome, jitter())
            if wait is None:
                return Verdict(DeliveryState.EXPIRED, _NEVER, reason, hard=False)
            return Verdict(DeliveryState.QUEUED, now + int(wait * 1e6), reason, hard=False)
        case _:
            assert_never(outcome)
