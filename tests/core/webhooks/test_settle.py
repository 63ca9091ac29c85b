"""What an answer means, and when the next attempt is."""

from __future__ import annotations

import pytest

from mailward.base.outcome import Done, PermFail, TempFail
from mailward.core.webhooks.model import SCHEDULE, TRANSITIONS, JobState, Result, Work, delay_before
from mailward.core.webhooks.settle import judge

WORK = Work(b"w" * 16, b"h" * 16, b"e" * 16, "message.delivered", 1, "https://x.example/", b"{}", ())


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_is_done(status: int) -> None:
    """The endpoint took the event."""
    assert judge(Result(WORK, status, b"", 1)) == Done()


@pytest.mark.parametrize("status", [100, 301, 302, 307, 400, 404, 429, 500, 502, 503, 504, 999])
def test_everything_else_is_tried_again(status: int) -> None:
    """Redirects too: they are not followed, so the event did not arrive."""
    outcome = judge(Result(WORK, status, b"", 1, retry_after=7.0))
    assert isinstance(outcome, TempFail)
    assert outcome.retry_after == 7.0


def test_gone_is_final_and_silence_is_not() -> None:
    """410 ends it, no answer does not, whatever the status field says."""
    assert isinstance(judge(Result(WORK, 410, b"", 1)), PermFail)
    assert isinstance(judge(Result(WORK, 0, b"", 1, error="no answer")), TempFail)


def test_the_schedule_is_the_one_of_standard_webhooks() -> None:
    """0, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h, each up to a fifth longer, then nothing."""
    assert SCHEDULE == (0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)
    for number, seconds in enumerate(SCHEDULE, 1):
        assert delay_before(number, 0.0) == seconds
        assert (delay_before(number, 0.999) or 0) <= seconds * 1.2
    assert delay_before(11, 0.0) is None


def test_only_a_replay_leaves_an_end_state() -> None:
    """Delivered, failed and cancelled jobs go back to pending and nowhere else."""
    for state in set(JobState) - {JobState.PENDING}:
        assert TRANSITIONS[state] == {JobState.PENDING}
