"""The states of a job."""

from __future__ import annotations

from mailward.core.webhooks.model import TRANSITIONS, JobState


def test_only_a_replay_leaves_an_end_state() -> None:
    """Delivered, failed and cancelled jobs go back to pending and nowhere else."""
    for state in set(JobState) - {JobState.PENDING}:
        assert TRANSITIONS[state] == {JobState.PENDING}
