"""Migrations: once each, by whoever comes first, and never over a history that is not ours."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from mailward.adapters.storage.postgres import migrate as module
from mailward.adapters.storage.postgres.migrate import MigrationError, available, bootstrap, migrate, require_schema
from mailward.adapters.storage.postgres.transaction import begin_sql
from mailward.base.errors import Unavailable
from tests.postgres_server import PostgresServer


async def as_role(server: PostgresServer, role: str, database: str) -> Any:
    return await asyncpg.connect(server.url(role, database), ssl=False)


async def required(server: PostgresServer, database: str) -> None:
    """What every start asks."""
    app = await as_role(server, "mailward_app", database)
    try:
        await app.execute(begin_sql() + "SET LOCAL ROLE mailward_system")
        await require_schema(app)
    finally:
        await app.close()


async def test_nodes_that_start_together_migrate_once(postgres_server: PostgresServer) -> None:
    """Three migrate an empty database at once: each migration is applied by one of them."""
    name = "migrate_together"
    admin = await as_role(postgres_server, "postgres", "postgres")
    await admin.execute(f"CREATE DATABASE {name}")
    own = await as_role(postgres_server, "postgres", name)
    await bootstrap(own)
    await own.close()
    owners = [await as_role(postgres_server, "mailward_owner", name) for _ in range(3)]
    applied = await asyncio.gather(*(migrate(owner, now_us=1) for owner in owners))
    for owner in owners:
        await owner.close()
    assert sorted(n for names in applied for n in names) == [f"{n:04d}_{name}" for n, name, _ in available()]
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


async def test_a_changed_migration_is_refused(
    postgres_server: PostgresServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither migrating nor starting goes on over an applied migration whose text is another now."""
    changed = [(n, name, sql + "\n-- another word") for n, name, sql in available()]
    monkeypatch.setattr(module, "available", lambda: changed)
    owner = await as_role(postgres_server, "mailward_owner", database)
    with pytest.raises(MigrationError, match="was changed after"):
        await migrate(owner, now_us=1)
    await owner.close()
    with pytest.raises(Unavailable, match="storage_schema"):
        await required(postgres_server, database)


async def test_a_failing_migration_leaves_nothing(
    postgres_server: PostgresServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is one transaction: what it made before its error is gone, and the next try starts afresh."""
    bad = "CREATE TABLE half(x int); SELECT 1/0"
    monkeypatch.setattr(module, "available", lambda: [*available(), (9999, "bad", bad)])
    owner = await as_role(postgres_server, "mailward_owner", database)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(owner, now_us=1)
    assert await owner.fetchval("SELECT to_regclass('mailward.half')") is None
    await owner.close()


async def test_a_lacking_migration_stops_the_start_and_a_newer_one_does_not(
    postgres_server: PostgresServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that is newer than the schema does not start; one that is older goes on, for rolling upgrades."""
    await required(postgres_server, database)
    shipped = available()
    with monkeypatch.context() as patch:
        patch.setattr(module, "available", lambda: shipped[:-1])
        await required(postgres_server, database)
    monkeypatch.setattr(module, "available", lambda: [*shipped, (9999, "next", "SELECT 1")])
    with pytest.raises(Unavailable, match="storage_schema"):
        await required(postgres_server, database)


async def test_the_servers_role_may_not_migrate(postgres_server: PostgresServer, database: str) -> None:
    """What the platform connects as cannot become the owner."""
    app = await as_role(postgres_server, "mailward_app", database)
    with pytest.raises(MigrationError, match="may not act as"):
        await migrate(app, now_us=1)
    await app.close()
