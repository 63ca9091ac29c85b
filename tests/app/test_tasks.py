"""Upkeep: whatever there is to do is done."""

from __future__ import annotations

import inspect
from unittest.mock import MagicMock

import pytest

from mailward.app.settings import Settings
from mailward.app.tasks import InstallationChores, WorkerChores


@pytest.mark.parametrize("kind", [WorkerChores, InstallationChores])
def test_no_chore_is_forgotten(kind: type[WorkerChores | InstallationChores]) -> None:
    """Every public coroutine of the chores is a task that runs; the room on the disk is looked at apart."""
    worker = MagicMock()
    worker.settings = Settings()
    there = kind(worker)
    done = {getattr(task.act, "__func__", None) for task in there.tasks()}
    named = {name for name, made in inspect.getmembers(kind, inspect.iscoroutinefunction) if not name.startswith("_")}
    assert {name for name in named if getattr(kind, name) not in done} <= {"room"}
