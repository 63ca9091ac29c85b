"""How the kernel is asked to run the processes that do the work."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from mailward.app.process import run_in_batches

_BEGINS_WITH = """
import os, sys
from mailward.app.process import run_in_batches
os.sched_setscheduler(0, int(sys.argv[1]), os.sched_param(0))
run_in_batches()
print(os.sched_getscheduler(0))
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [(os.SCHED_OTHER, os.SCHED_BATCH), (os.SCHED_BATCH, os.SCHED_BATCH), (os.SCHED_IDLE, os.SCHED_IDLE)],
)
def test_the_usual_policy_becomes_batch_and_a_chosen_one_stays(before: int, after: int) -> None:
    """Whoever runs the service as an idle task has his reasons."""
    done = subprocess.run(
        [sys.executable, "-c", _BEGINS_WITH, str(before)], capture_output=True, text=True, timeout=60, check=True
    )
    assert int(done.stdout) == after


def test_where_it_is_forbidden_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container may refuse the call; the platform starts all the same."""

    def refuse(*args: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    before = os.sched_getscheduler(0)
    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    run_in_batches()
    assert os.sched_getscheduler(0) == before
