"""Checks that need no running process, on a fresh installation: they hold, and they notice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mailward.adapters.host.clock import SystemClock
from mailward.adapters.storage.sqlite.connection import connect
from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.app.checks import access, log, privacy, storage
from mailward.app.checks.storage import spellings
from mailward.app.context import Context, cli_actor
from mailward.app.installation import Installation
from mailward.app.settings import Server, Settings
from mailward.base import ids
from mailward.core.evidence.model import Result
from mailward.core.workspaces import change


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[Context]:
    """A migrated store with one audited act and no people."""
    installation = Installation(Settings(server=Server(data=str(tmp_path))), worker=0)
    SqliteStore.prepare(tmp_path, installation.vault.database_key(), SystemClock())
    await installation.open()
    workspace = ids.WorkspaceId(ids.new("ws", installation.clock.now(), installation.entropy))
    yield Context(installation, cli_actor(workspace))
    await installation.close()


@pytest.mark.claim("REST-1")
async def test_a_planted_marker_is_read_back_and_in_no_file(context: Context) -> None:
    """The search is real: the marker opens with the key; and no file holds it."""
    found = await storage.nothing_readable(context)
    assert found.result is Result.PASSED, found.evidence


@pytest.mark.claim("AUTHZ-2")
async def test_sql_without_a_scope_is_refused(context: Context) -> None:
    """On every tenant-owned table."""
    found = await access.no_scope_no_rows(context)
    assert found.result is Result.PASSED, found.evidence
    assert " 0 tables" not in found.evidence


@pytest.mark.claim("KEYS-1")
@pytest.mark.claim("REST-1")
@pytest.mark.parametrize("check", [access.keys_are_hashes, storage.nothing_readable])
async def test_what_lies_in_a_file_is_found(context: Context, monkeypatch: pytest.MonkeyPatch, check: Any) -> None:
    """A key in use, and a planted marker, that somebody wrote into the data folder as they are."""

    def leaking(text: str) -> list[bytes]:
        (context.settings.data / "leak").write_text(f"it is {text}.")
        return spellings(text)

    for module in (access, storage):
        monkeypatch.setattr(module, "spellings", leaking)
    found = await check(context)
    assert (found.result, "leak" in found.evidence) == (Result.FAILED, True), found.evidence


@pytest.mark.claim("LOG-1")
async def test_the_log_recomputes_and_a_dropped_entry_is_found(context: Context) -> None:
    """An entry removed behind the application's back turns the check red."""
    await storage.nothing_readable(context)
    await storage.nothing_readable(context)
    assert (await log.every_tree_recomputes(context)).result is Result.PASSED
    db = connect(context.settings.data / "state.db", context.installation.vault.database_key())
    for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        db.execute(f"DROP TRIGGER {name}")
    db.execute("DELETE FROM t_audit WHERE seq = 0")
    db.close()
    assert (await log.every_tree_recomputes(context)).result is Result.FAILED


@pytest.mark.claim("PRIVACY-1")
async def test_a_message_past_its_term_is_noticed(context: Context) -> None:
    """A message of 59 days is fine; one of 62 days is not, and one whose copy waits is."""
    now, actor = context.clock.now(), context.actor
    make = partial(change.create, actor=actor, name="W", now=now, entropy=context.entropy, id=actor.workspace)
    await context.store.system_write(make)
    raw = ids.decode("ws", actor.workspace)
    db = connect(context.settings.data / "state.db", context.installation.vault.database_key())
    for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        db.execute(f"DROP TRIGGER {name}")

    def add(days: int) -> bytes:
        created = int((now - timedelta(days=days)).timestamp() * 1_000_000)
        id = ids.new_raw(created // 1000, context.entropy)
        db.execute("INSERT INTO t_messages(workspace, id, created, facts) VALUES (?,?,?,?)", (raw, id, created, b""))
        return id

    add(59)
    assert (await privacy.nothing_past_its_term(context)).result is Result.PASSED
    old = add(62)
    found = await privacy.nothing_past_its_term(context)
    assert (found.result, "1 messages" in found.evidence) == (Result.FAILED, True)
    db.execute("INSERT INTO t_deliveries VALUES (?,?,0,'b@x.test',2,0,0,0,0,NULL,NULL)", (raw, old))
    assert (await privacy.nothing_past_its_term(context)).result is Result.PASSED
    day = int(now.timestamp()) // 86_400 - 70
    db.execute("INSERT INTO t_data_keys VALUES (?,?,1,x'00',NULL)", (raw, day))
    assert (await privacy.nothing_past_its_term(context)).result is Result.FAILED
    db.execute("DELETE FROM t_data_keys WHERE day = ?", (day,))
    assert (await privacy.nothing_past_its_term(context)).result is Result.PASSED
    db.execute("INSERT INTO t_received(workspace, id, at, facts, reason) VALUES (?, ?, ?, x'', '')", (raw, old, 1))
    found = await privacy.nothing_past_its_term(context)
    assert (found.result, "1 received messages, content of 0" in found.evidence) == (Result.FAILED, True)
    db.close()


@pytest.mark.claim("PRIVACY-1")
async def test_the_rehearsal_passes_and_notices_each_thing_that_stays(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a step of retention taken out, the rehearsal says what is left."""
    assert (await privacy.a_day_after_its_term_it_is_gone(context)).result is Result.PASSED

    async def nothing(*args: object, **kw: object) -> int:
        return 0

    async def no_step(*args: object, **kw: object) -> tuple[int, None]:
        return 0, None

    for name, stand_in in (
        ("app.retention.destroy_spent", nothing),
        ("app.retention.expire_content", nothing),
        ("app.retention.expire_messages", no_step),
        ("core.inbound.expire.erase_old", nothing),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(f"mailward.{name}", stand_in)
            assert (await privacy.a_day_after_its_term_it_is_gone(context)).result is Result.FAILED, name
    context.settings.retention.content_days = 3
    with monkeypatch.context() as patch:
        patch.setattr("mailward.core.inbound.expire.let_go", no_step)
        found = await privacy.a_day_after_its_term_it_is_gone(context)
        assert "content of a received message was left" in found.evidence
    found = await privacy.a_day_after_its_term_it_is_gone(context)
    assert (found.result, "content 3" in found.evidence) == (Result.PASSED, True), found.evidence


@pytest.mark.claim("REST-2")
async def test_a_key_file_others_can_read_fails(context: Context) -> None:
    """Mode 0600 is shown as no key service; 0644 fails."""
    path = context.settings.data / "keys" / "master.key"
    assert (await storage.key_file(context)).result is Result.NOT_CONFIGURED
    path.chmod(0o644)
    assert (await storage.key_file(context)).result is Result.FAILED


@pytest.mark.claim("KEYS-1")
async def test_stores_without_secrets_pass(context: Context) -> None:
    """Keys, passwords and sessions of a fresh installation."""
    for check in (access.keys_are_hashes, access.passwords_are_argon2id, access.sessions_are_hashes):
        assert (await check(context)).result is Result.PASSED
