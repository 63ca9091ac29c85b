"""What an outcome means for a copy."""

from __future__ import annotations

import pytest

from mailward.base.outcome import Done, Outcome, PermFail, TempFail
from mailward.core.delivery.judge import judge
from mailward.core.messages.model import DeliveryState
from mailward.policy.retry import DAY, Schedule


@pytest.mark.parametrize(
    ("outcome", "age", "state", "hard"),
    [
        (Done("ok"), 0, DeliveryState.DELIVERED, False),
        (PermFail("bad_mailbox", "no such user", 550, "5.1.1"), 0, DeliveryState.BOUNCED, True),
        (PermFail("blocklisted", "listed", 554, "5.7.1"), 0, DeliveryState.BOUNCED, False),
        (PermFail("mailbox_full", "full", 552, "5.2.2"), 0, DeliveryState.BOUNCED, False),
        (TempFail("greylisted", "later", 451, "4.7.1"), 0, DeliveryState.QUEUED, False),
        (TempFail("connection_failed"), 6 * DAY, DeliveryState.EXPIRED, False),
    ],
)
def test_each_outcome_has_its_state_and_only_dead_addresses_are_hard(
    outcome: Outcome, age: float, state: DeliveryState, hard: bool
) -> None:
    """Delivered, bounced, queued again or expired; blocklists and full mailboxes never count as dead."""
    now = 10**15
    verdict = judge(outcome, 1, created=now - int(age * 1e6), now=now, schedule=Schedule(), jitter=lambda: 0.5)
    assert (verdict.state, verdict.hard) == (state, hard)
    assert (verdict.due > now) == (state is DeliveryState.QUEUED)


def test_who_was_not_asked_comes_again_at_the_time_named_until_the_message_is_too_old() -> None:
    """However often: attempts that there were not make no wait longer."""
    now = 10**15
    busy = TempFail("turn", retry_after=90.0, tried=False)
    for attempt in (1, 9):
        verdict = judge(busy, attempt, created=now, now=now, schedule=Schedule(), jitter=lambda: 0.5)
        assert verdict[:3] == (DeliveryState.QUEUED, now + 90_000_000, "turn")
    old = judge(busy, 1, created=now - int(6 * DAY * 1e6), now=now, schedule=Schedule(), jitter=lambda: 0.5)
    assert old.state is DeliveryState.EXPIRED
