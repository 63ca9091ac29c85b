"""Controls are broken behind the program's back, one by one: each turns its own line red, and no other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from mailward.adapters.storage.sqlite.connection import connect
from mailward.app.checks import access, log, privacy, public, storage
from mailward.app.checks.registry import Check
from mailward.app.context import Context, cli_actor
from mailward.app.installation import Installation
from mailward.base import ids
from mailward.base.ids import WorkspaceId
from mailward.core.audit.advance import advance
from mailward.core.evidence.catalogue import CATALOGUE
from mailward.core.evidence.model import State
from mailward.core.evidence.verify import verify
from mailward.core.workspaces import change
from tests.app.public.conftest import Site
from tests.app.public.conftest import site as site

CHECKS: dict[str, list[Check]] = {
    "REST-2": [storage.key_file],
    "LOG-1": [log.every_tree_recomputes],
    "AUTHZ-2": [access.no_scope_no_rows],
    "AUTHN-2": [access.sessions_are_hashes],
    "PRIVACY-1": [privacy.nothing_past_its_term],
    "PRIVACY-4": [public.registers_are_current],
    "AVAIL-2": [public.minutes_are_measured],
    "INCIDENT-2": [public.security_txt_is_fresh, public.reports_are_answered],
    "TRUST-1": [public.the_page_is_signed],
}
_TRIGGERS = "SELECT name FROM sqlite_master WHERE type = 'trigger'"


def behind(i: Installation, *statements: str) -> None:
    """As somebody who holds the database's key, and not through the program."""
    db = connect(i.settings.data / "state.db", i.vault.database_key())
    try:
        for (name,) in db.execute(_TRIGGERS).fetchall():
            db.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            db.execute(statement)
    finally:
        db.close()


def late_report(i: Installation) -> None:
    past = int((i.clock.now() - timedelta(days=9)).timestamp() * 1e6)
    columns = "id, token_hash, at, due, state, updated, alerted, content"
    values = f"x'01', x'02', {past}, {past}, 'received', {past}, '', x''"
    behind(i, f"INSERT INTO disclosure_reports({columns}) VALUES ({values})")


def stale_review(i: Installation) -> None:
    body = '{"name":"EU","place":"Oslo","holds":"all","reviewed":"2020-01-01"}'
    behind(i, f"INSERT INTO register_entries VALUES (randomblob(16), 'region', 0, CAST('{body}' AS BLOB))")


def stopped_probes(i: Installation) -> None:
    old = int(i.clock.now().timestamp()) // 60 - 60
    behind(i, f"INSERT INTO availability_days VALUES ({old // 1440}, 1, 1, 1, 1, 1, {old})")


def old_message(i: Installation) -> None:
    at = int((i.clock.now() - timedelta(days=90)).timestamp() * 1e6)
    id = ids.new_raw(at // 1000, i.entropy).hex()
    behind(i, f"INSERT INTO t_messages(workspace, id, created, facts) SELECT workspace, x'{id}', {at}, x'' "
              "FROM t_workspaces")  # fmt: skip


def stopped_schedule(i: Installation) -> None:
    at = int((i.clock.now() - timedelta(days=9)).timestamp() * 1e6)
    behind(i, f"INSERT INTO evidence_runs VALUES (x'01', {at}, 'schedule', CAST('{{}}' AS BLOB))")


BREAKS: list[tuple[str, Callable[[Installation], object]]] = [
    ("REST-2", lambda i: (i.settings.data / "keys" / "master.key").chmod(0o644)),
    ("LOG-1", lambda i: behind(i, "UPDATE t_audit SET leaf = CAST(replace(leaf, 'cli', 'xli') AS BLOB) WHERE seq = 0")),
    ("INCIDENT-2", late_report),
    ("PRIVACY-4", stale_review),
    ("AVAIL-2", stopped_probes),
    ("PRIVACY-1", old_message),
    ("TRUST-1", stopped_schedule),
]


@pytest.mark.claim("TRUST-1")
@pytest.mark.parametrize(("control", "break_it"), BREAKS, ids=[b[0] for b in BREAKS])
async def test_a_broken_control_is_red_and_no_other(
    site: Site, monkeypatch: pytest.MonkeyPatch, control: str, break_it: Callable[[Installation], object]
) -> None:
    """Before, nothing fails; after, exactly the line of what was broken."""

    async def ask(context: Context, path: str) -> tuple[int, dict[str, str], str]:
        answer = await site.ask(path)
        return answer.status, answer.headers, answer.body.decode()

    monkeypatch.setattr(public, "page", ask)
    i = site.installation
    context = Context(i, cli_actor(WorkspaceId(ids.new("ws", i.clock.now(), i.entropy))))
    make = partial(
        change.create, actor=context.actor, name="W", now=i.clock.now(), entropy=i.entropy, id=context.actor.workspace
    )
    await i.store.system_write(make)
    await i.store.system_write(lambda tx: advance(tx, i.vault.log_signer(), now=i.clock.now()))
    chosen = [c for c in CATALOGUE if c.id in CHECKS]
    checks = {c.id: CHECKS[c.id] for c in chosen}

    async def failing() -> list[str]:
        site.forget()
        lines = await verify(chosen, checks, context, now=i.clock.now())
        return [line.id for line in lines if line.state is State.FAILING]

    assert await failing() == []
    break_it(i)
    assert await failing() == [control]
