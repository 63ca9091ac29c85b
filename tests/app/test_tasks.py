"""Upkeep: whatever there is to do is done."""

from __future__ import annotations

import inspect
from pathlib import Path
from unittest.mock import AsyncMock, MagicMock

import pytest

from mailward.app.acme_options import Acme
from mailward.app.backup_options import Backup
from mailward.app.objects import Objects
from mailward.app.retention import Done
from mailward.app.settings import Server, Settings, Storage, Tls
from mailward.app.stores import make_store
from mailward.app.tasks import InstallationChores, WorkerChores, upkeep_tasks
from mailward.policy.boundaries import JOBS, known_jobs
from tests.conftest import MovingClock, SeededEntropy


@pytest.mark.parametrize("kind", [WorkerChores, InstallationChores])
def test_no_chore_is_forgotten(kind: type[WorkerChores | InstallationChores]) -> None:
    """Every public coroutine of the chores is a task that runs; the room on the disk is looked at apart."""
    worker = MagicMock()
    worker.settings = Settings()
    there = kind(worker)
    done = {getattr(task.act, "__func__", None) for task in there.tasks()}
    named = {name for name, made in inspect.getmembers(kind, inspect.iscoroutinefunction) if not name.startswith("_")}
    assert {name for name in named if getattr(kind, name) not in done} <= {"room"}


def test_each_job_of_each_store_has_a_policy(tmp_path: Path, clock: MovingClock, entropy: SeededEntropy) -> None:
    """What upkeep would begin, on either store and with everything switched on, is in the table; nothing else is."""
    bucket = Objects(url="s3://mail", access_key="a", secret_key="s")
    server, tls = Server(data=str(tmp_path)), Tls(acme=Acme(directory="https://acme.test/"))
    database = Storage(kind="postgres", url="postgres://mailward@127.0.0.1/mailward")
    named = {"start", "letters"}  # these act for a moment, and are not begun by upkeep
    for storage, objects in ((Storage(), Objects()), (database, Objects()), (database, bucket)):
        worker = MagicMock(first=True, roles={"upkeep"})
        worker.settings = Settings(
            server=server, tls=tls, storage=storage, objects=objects, backup=Backup(to=str(tmp_path))
        )
        worker.installation.entropy = entropy
        worker.installation.vault.database_key.return_value = bytes(32)
        worker.installation.store = make_store(
            worker.settings, worker.installation.vault, worker=0, clock=clock, entropy=entropy, unjudged=True
        )
        begun = [task.name for task in upkeep_tasks(worker)]
        known_jobs(begun)
        named |= set(begun)
    assert named == set(JOBS)


async def test_nothing_is_destroyed_by_a_clock_in_doubt(tmp_path: Path, clock: MovingClock) -> None:
    """Three years ahead from one look to the next: terms wait a day, what was erased by a person does not."""
    worker = MagicMock()
    worker.settings = Settings(server=Server(data=str(tmp_path)))
    worker.installation.clock = clock
    chores = InstallationChores(worker)
    keeping = chores._keeping = AsyncMock()
    keeping.run.return_value = Done()
    redacting = chores._redacting = AsyncMock()
    redacting.run.return_value = 0
    destroying = (chores.retention, chores.redaction)
    for days, runs in ((0, 1), (1000, 1), (0.9, 1), (0.2, 2)):
        clock.move(days=days)
        for chore in destroying:
            await chore()
        assert (keeping.run.await_count, redacting.run.await_count) == (runs, runs)
    assert keeping.overwrite.await_count == 2
