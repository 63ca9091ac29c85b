"""The checks of tracking, on an installation that is not running: they hold, and notice what is broken."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mailward.adapters.host.clock import SystemClock
from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.app.checks import probe, tracking
from mailward.app.checks.probe import Heard
from mailward.app.context import Context, cli_actor
from mailward.app.installation import Installation
from mailward.app.settings import Server, Settings
from mailward.base import ids
from mailward.core.evidence.model import Result
from mailward.core.messages.model import Tracked
from mailward.edges.web.tracking.site import IMAGE
from mailward.protocol.tracking import targets, tokens


@pytest.fixture
async def context(tmp_path: Path) -> AsyncIterator[Context]:
    """A migrated store."""
    installation = Installation(Settings(server=Server(data=str(tmp_path))), worker=0)
    SqliteStore.prepare(tmp_path, installation.vault.database_key(), SystemClock())
    await installation.open()
    workspace = ids.WorkspaceId(ids.new("ws", installation.clock.now(), installation.entropy))
    yield Context(installation, cli_actor(workspace))
    await installation.close()


@pytest.mark.claim("EMAIL-8")
async def test_a_body_that_changes_without_tracking_is_found(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check passes as things are, and fails where mail is tracked that nobody wanted tracked."""
    found = await tracking.without_tracking_a_body_leaves_as_it_came(context)
    assert found.result is Result.PASSED, found.evidence
    monkeypatch.setattr(tracking, "tracked", lambda known, c: Tracked("both", known.tracking))
    found = await tracking.without_tracking_a_body_leaves_as_it_came(context)
    assert (found.result, "nobody asked" in found.evidence) == (Result.FAILED, True), found.evidence
    monkeypatch.setattr(tracking, "tracked", lambda known, c: None)
    found = await tracking.without_tracking_a_body_leaves_as_it_came(context)
    assert found.result is Result.FAILED, found.evidence


@pytest.mark.claim("EMAIL-8")
async def test_links_that_anybody_can_make_are_found(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check passes and leaves nothing behind; it fails where signatures, targets or opt-outs are not looked at."""
    before = await context.store.system_read(lambda tx: tx.counters.all())
    found = await tracking.a_link_leads_where_it_was_signed_to(context)
    assert found.result is Result.PASSED, found.evidence
    assert await context.store.read(context.actor.workspace, lambda tx: tx.messages.hours(0)) == []
    assert await context.store.system_read(lambda tx: tx.counters.all()) == before
    for module, name, broken in (
        (tokens, "verified", lambda claim, host, key: claim.link),
        (targets, "fit", lambda target: True),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, broken)
            found = await tracking.a_link_leads_where_it_was_signed_to(context)
        assert (found.result, "leads on" in found.evidence) == (Result.FAILED, True), found.evidence
    monkeypatch.setattr("mailward.core.tracking.seen.machine", lambda *_, **__: ())
    found = await tracking.a_link_leads_where_it_was_signed_to(context)
    assert (found.result, "scanner" in found.evidence) == (Result.FAILED, True), found.evidence


@pytest.mark.claim("EMAIL-8")
async def test_a_tracking_host_with_pages_is_found(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but refusals and the image pass; a page, or a way on, fails."""
    answers: dict[str, Heard] = {}

    async def ask(context: Context, method: str, path: str, **_: Any) -> Heard:
        image = Heard(200, {"cache-control": "no-store"}, IMAGE)
        return answers.get(path) or (image if path.startswith("/o/") else Heard(404, {}, b""))

    monkeypatch.setattr(probe, "ask", ask)
    found = await tracking.tracking_hosts_serve_nothing_else(context)
    assert found.result is Result.PASSED, found.evidence
    for path, heard in (("/sign-in", Heard(200, {}, b"")), ("/", Heard(404, {"set-cookie": "a=b"}, b""))):
        answers.clear()
        answers[path] = heard
        assert (await tracking.tracking_hosts_serve_nothing_else(context)).result is Result.FAILED
