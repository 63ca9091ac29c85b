"""The check of leak reports finds a platform that does nothing about them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mailward.adapters.host.clock import SystemClock
from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.app.checks import leaks, probe
from mailward.app.checks.probe import Heard
from mailward.app.context import Context, cli_actor
from mailward.app.installation import Installation
from mailward.app.settings import Server, Settings
from mailward.base import ids
from mailward.core.evidence.model import Result
from mailward.core.workspaces import change

pytestmark = pytest.mark.claim("KEYS-3")


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[Context]:
    """An installation with one workspace."""
    installation = Installation(Settings(server=Server(data=str(tmp_path))), worker=0)
    SqliteStore.prepare(tmp_path, installation.vault.database_key(), SystemClock())
    await installation.open()
    i = installation
    workspace = ids.WorkspaceId(ids.new("ws", i.clock.now(), i.entropy))
    actor = cli_actor(workspace)
    await i.store.system_write(
        lambda tx: change.create(tx, actor, "Shop", now=i.clock.now(), entropy=i.entropy, id=workspace)
    )
    yield Context(installation, actor)
    await installation.close()


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Heard:
    heard = Heard(202, {}, {"received": True})

    async def ask(*_: Any, **__: Any) -> Heard:
        return heard

    monkeypatch.setattr(probe, "ask", ask)
    monkeypatch.setattr(probe, "fresh_source", lambda context: "")
    return heard


async def test_reports_are_acted_on_and_nobody_is_alarmed(context: Context, door: Heard) -> None:
    """It passes on a platform as it is, and leaves no notice for an owner behind."""
    found = await leaks.a_leaked_key_is_acted_on(context)
    assert found.result is Result.PASSED, found.evidence
    assert await context.store.system_read(lambda tx: tx.notices.due(10)) == []


async def test_a_report_that_does_nothing_fails(context: Context, door: Heard, monkeypatch: pytest.MonkeyPatch) -> None:
    """When reports are taken and forgotten, the check says so."""

    async def nothing(*_: Any, **__: Any) -> None:
        return None

    monkeypatch.setattr(leaks, "report_leak", nothing)
    assert (await leaks.a_leaked_key_is_acted_on(context)).result is Result.FAILED
