"""Received mail by days: dropped with the day, and what was there before days were kept apart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from mailward.adapters.storage.postgres import migrate as module
from mailward.adapters.storage.postgres.migrate import available, bootstrap, migrate
from mailward.adapters.storage.postgres.sql import scope_sql
from mailward.core.inbound.model import CopyState
from mailward.protocol.inbound.facts import ENCODER
from tests.adapters.storage.postgres.transactions import DAY, DAY_MS, T0, WS, Node, id_of
from tests.core.inbound.inbound_rig import facts
from tests.postgres_server import PostgresServer

ROUTE = b"\x05" * 16
_TABLES = ("received", "received_copies", "received_attempts")


async def take(tx: Any, id: bytes, *, state: CopyState = CopyState.HANDED_OVER, due: int | None = None) -> None:
    """A message with one copy."""
    await tx.inbound.add_received([(id, T0, 1, 0, 10, ENCODER.encode(facts()), "")])
    await tx.inbound.add_copies([(id, ROUTE, int(state), due, 0)])


async def count(admin: Any, table: str) -> int:
    return int(await admin.fetchval(f"SELECT count(*) FROM mailward.{table}"))


async def test_what_was_received_goes_with_its_day(node: Node, admin: Any) -> None:
    """A day in which no copy waits is dropped with what was received in it, and counts it; the next day stays."""
    async with node.begin(WS) as tx:
        await take(tx, id_of(1))
        await take(tx, id_of(1, DAY + 1))
    async with node.begin(None) as tx:
        assert await tx.retention.drop_day(id_of(0, DAY + 1)) == 1
        assert await tx.partitions.days() == [DAY + 1]
    assert [await count(admin, t) for t in _TABLES] == [1, 1, 0]


async def test_a_copy_that_waits_keeps_its_day(node: Node) -> None:
    """A copy that is still to be handed over keeps its day, until it has ended."""
    async with node.begin(WS) as tx:
        await take(tx, id_of(1), state=CopyState.RECEIVED, due=T0)
    async with node.begin(None) as tx:
        assert await tx.retention.drop_day(id_of(0, DAY + 1)) is None
    async with node.begin(WS) as tx:
        assert await tx.inbound.finish(id_of(1), ROUTE, number=1, state=CopyState.FAILED, due=None)
    async with node.begin(None) as tx:
        assert await tx.retention.drop_day(id_of(0, DAY + 1)) == 1


@pytest.fixture
async def before(postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """A database as the version before left it."""
    name = "received_before"
    admin = await asyncpg.connect(postgres_server.url("postgres", "postgres"), ssl=False)
    await admin.execute(f"CREATE DATABASE {name}")
    own = await asyncpg.connect(postgres_server.url("postgres", name), ssl=False)
    await bootstrap(own)
    await own.close()
    old = [m for m in available() if m[0] < 320]
    with monkeypatch.context() as patch:
        patch.setattr(module, "available", lambda: old)
        await up(postgres_server, name)
    yield name
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


async def up(server: PostgresServer, name: str) -> None:
    owner = await asyncpg.connect(server.url("mailward_owner", name), ssl=False)
    await migrate(owner, now_us=1)
    await owner.close()


async def test_the_version_before_goes_on_over_the_migration(postgres_server: PostgresServer, before: str) -> None:
    """Statements prepared before it go on working: what was there is read, what comes is written, by the day or not."""
    old = await asyncpg.connect(postgres_server.url("mailward_app", before), ssl=False)
    today = int(await old.fetchval("SELECT extract(epoch FROM now())::bigint / 86400"))
    write = (
        "INSERT INTO mailward.received(workspace, id, at, facts, reason) VALUES ($1, $2, 1, '', '')",
        "INSERT INTO mailward.received_copies(workspace, received, route, state, attempts) VALUES ($1, $2, $3, 1, 1)",
    )

    async def work(id: bytes) -> list[bytes]:
        async with old.transaction():
            await old.execute(scope_sql(WS))
            await old.fetch("SELECT mailward.make_day($1)", int.from_bytes(id[:6], "big") // DAY_MS)
            await old.fetch(write[0], WS, id)
            await old.fetch(write[1], WS, id, ROUTE)
            rows = await old.fetch(
                "SELECT m.id FROM mailward.received m JOIN mailward.received_copies c ON c.workspace = m.workspace "
                "AND c.received = m.id WHERE m.workspace = $1 ORDER BY m.id",
                WS,
            )
        return [r[0] for r in rows]

    first, second, later = id_of(1, today - 3), id_of(2, today), id_of(3, today + 20)
    assert await work(first) == [first]
    await up(postgres_server, before)
    assert await work(second) == [first, second]
    assert await work(later) == [first, second, later]
    await old.close()

    admin = await asyncpg.connect(postgres_server.url("postgres", before), ssl=False)
    await admin.execute("SET search_path = mailward")
    for table in _TABLES:
        parts = await admin.fetch(
            "SELECT c.relname, relrowsecurity AND relforcerowsecurity, has_table_privilege('mailward_tenant', c.oid, "
            "'SELECT'), (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid) FROM pg_class c JOIN pg_inherits i "
            "ON i.inhrelid = c.oid WHERE i.inhparent = $1::text::regclass ORDER BY 1",
            table,
        )
        names = {r[0] for r in parts}
        assert f"{table}_earlier" in names
        assert len(names) == 2  # today's rows lie with the earlier ones, those of a day behind the bound do not
        assert all(tuple(r[1:]) == (True, False, 0) for r in parts)
    assert await admin.fetchval("SELECT count(*) FROM received_earlier") == 2
    # The days before the bound are over, as they will be one day; a copy of them still waits.
    yesterday = today - 1
    await admin.execute(f"SELECT make_day({yesterday}); UPDATE received_days_from SET day = {today}")
    await admin.execute("UPDATE received_copies SET due = 1 WHERE received = $1", first)
    await admin.execute("SET ROLE mailward_system")
    assert not await admin.fetchval("SELECT drop_day($1)", yesterday)
    await admin.execute("UPDATE received_copies SET due = NULL")
    assert await admin.fetchval("SELECT drop_day($1)", yesterday)
    await admin.execute("RESET ROLE")
    assert await admin.fetchval("SELECT to_regclass('received_earlier')") is None
    assert [r[0] for r in await admin.fetch("SELECT id FROM received")] == [later]
    await admin.close()
