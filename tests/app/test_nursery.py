"""Workers are forked from one process that has imported everything, and are the supervisor's children all the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mailward.app.nursery import Nursery, NurseryFailed
from mailward.app.plan import Plan
from mailward.app.settings import Http, Server, Settings

_CANNOT_START = 78
_IMPORTED = "import mailward.app.worker; from mailward.app.stores import import_store"


def _plan(folder: Path, supervisor: int) -> Plan:
    """A plan that ends at once: its data folder is a file, or the supervisor is another process."""
    (folder / "file").touch()
    settings = Settings(server=Server(data=str(folder / "file"), user=""), http=Http(metrics=""))
    return Plan(slot=0, supervisor=supervisor, settings=settings)


def test_how_a_worker_ends_is_seen_and_a_dead_nursery_is_started_anew(tmp_path: Path) -> None:
    """Exit codes arrive as those of a child; after kill -9 of the nursery the next worker is born all the same."""
    nursery = Nursery([], None)
    try:
        first = nursery.bear(_plan(tmp_path, os.getpid()))
        assert first.wait(30) == _CANNOT_START
        assert first.poll() == _CANNOT_START
        first.kill()  # says nothing of one that has ended
        # One whose supervisor is somebody else has been orphaned before it began.
        assert nursery.bear(_plan(tmp_path, 1)).wait(30) == 0
        before = nursery.pid
        os.kill(before, signal.SIGKILL)
        os.waitid(os.P_PID, before, os.WEXITED | os.WNOWAIT)
        assert nursery.bear(_plan(tmp_path, os.getpid())).wait(30) == _CANNOT_START
        assert nursery.pid != before
    finally:
        nursery.close()
        nursery.close()


def test_a_nursery_that_cannot_fork_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends instead of answering: the supervisor hears of it and may try again."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "msgspec.py").write_text("raise SystemExit(3)\n")
    nursery = Nursery([], None)
    with pytest.raises(NurseryFailed):
        nursery.bear(_plan(tmp_path, os.getpid()))
    nursery.close()


def _asked(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("kind", ["embedded", "postgres"])
def test_nothing_a_worker_imports_starts_a_thread(kind: str) -> None:
    """A thread of the nursery would be missing in each worker; each finds all repositories of its store imported."""
    ask = f"{_IMPORTED}; import_store({kind!r}); import os, sys; "
    assert _asked(ask + "print(len(os.listdir('/proc/self/task')))") == "1"
    store = {"embedded": "sqlite", "postgres": "postgres"}[kind]
    assert _asked(ask + f"print('mailward.adapters.storage.{store}.webhooks' in sys.modules)") == "True"


def test_workers_on_the_file_hold_no_driver_of_the_other_store() -> None:
    """asyncpg and what stands on it would lie in the memory of everybody who has no PostgreSQL."""
    ask = f"{_IMPORTED}; import_store('embedded'); import sys; "
    assert _asked(ask + "print([m for m in sys.modules if m == 'asyncpg' or '.storage.postgres' in m])") == "[]"
