"""A data folder's roles: one supervisor each, worker numbers that never meet, and what the dead left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mailward.app.commands.up import roles_of
from mailward.app.roles import BLOCK, Hold, StartError, first_slot
from mailward.app.settings import SettingsError

ALL = ["web", "submission", "sender", "upkeep"]


def test_a_role_has_one_supervisor(tmp_path: Path) -> None:
    """A second one is refused with a sentence that names the process; another role is not, and a freed one neither."""
    web = Hold(tmp_path, ["web"])
    web.started()
    with pytest.raises(StartError, match=rf"the role web \(process {os.getpid()}\)"):
        Hold(tmp_path, ALL)
    sender = Hold(tmp_path, ["sender", "upkeep"])
    sender.started()
    assert (tmp_path / "mailward.lock").read_text().split() == [str(os.getpid())]
    assert sender.held_by_anyone("web")
    web.release()
    assert not sender.held_by_anyone("web")
    Hold(tmp_path, ["web"]).release()
    sender.release()


def test_worker_numbers_of_different_roles_never_meet() -> None:
    """Each supervisor's numbers begin at the block of its first role, which it alone holds."""
    assert first_slot(ALL) == 0
    assert [first_slot([r]) for r in ALL] == [0, BLOCK, 2 * BLOCK, 3 * BLOCK]
    assert first_slot(["upkeep", "sender"]) == 2 * BLOCK


def test_only_what_nobody_runs_counts_as_idle(tmp_path: Path) -> None:
    """Numbers of roles that others hold may be alive; ours and nobody's cannot be."""
    web = Hold(tmp_path, ["web"])
    web.started()
    sender = Hold(tmp_path, ["sender"])
    assert not sender.idle(0)
    assert not sender.idle(BLOCK - 1)
    assert sender.idle(BLOCK)
    assert sender.idle(2 * BLOCK + 7)
    web.release()
    sender.release()


def test_workers_of_a_killed_supervisor_are_waited_for(tmp_path: Path) -> None:
    """Their hold outlives it; the next supervisor says so once and goes on when the last of them has ended."""
    first = Hold(tmp_path, ["sender"])
    orphan = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, pass_fds=first.workers
    )
    first.release()
    said: list[float] = []

    def waiting() -> None:
        said.append(time.monotonic())
        assert orphan.stdin is not None
        orphan.stdin.close()

    second = Hold(tmp_path, ["sender"], waiting=waiting)
    assert len(said) == 1
    assert orphan.wait(5) == 0
    second.release()


def test_workers_that_do_not_end_are_named(tmp_path: Path) -> None:
    """After its patience the start is refused, and the sentence says which role and how to find them."""
    first = Hold(tmp_path, ["web"])
    orphan = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, pass_fds=first.workers
    )
    first.release()
    with pytest.raises(StartError, match=r"still run .* role web.*fuser"):
        Hold(tmp_path, ["web"], patience=0.2)
    assert orphan.stdin is not None
    orphan.stdin.close()
    orphan.wait(5)


def test_an_unknown_role_is_refused() -> None:
    """`--role wbe` starts nothing, and says what there is."""
    assert roles_of("sender, upkeep,sender") == ["sender", "upkeep"]
    for wrong in ("wbe", "", "web,,keeperr"):
        with pytest.raises(SettingsError, match="choose from web, submission, sender, upkeep"):
            roles_of(wrong)
