"""Behind pgbouncer in transaction mode: every transaction may be on another session, and nothing outlives one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from mailward.adapters.storage.postgres.engine import Limits
from mailward.adapters.storage.postgres.sql import Sql
from mailward.base import ids
from tests.adapters.storage.postgres.conftest import OpenStore
from tests.pooler import running_pooler
from tests.postgres_server import PostgresServer

WORKSPACES = [bytes([n]) * 16 for n in range(1, 9)]


@pytest.fixture
def pooler(postgres_server: PostgresServer, database: str) -> Iterator[int]:
    """The port of a pgbouncer with two server sessions for everybody."""
    with running_pooler(postgres_server, database, sessions=2) as port:
        yield port


async def test_scopes_do_not_mix_behind_a_pooler(
    pooler: int, database: str, open_store: OpenStore, postgres_server: PostgresServer
) -> None:
    """Two processes, many connections, two sessions: each transaction has its own scope, and all commit once."""
    url = f"postgresql://mailward_app@127.0.0.1:{pooler}/{database}"
    limits = Limits(committers=4, readers=4, patience=20)
    stores = [await open_store(url=url, pooler=True, limits=limits) for _ in range(2)]

    async def scoped(tx: Sql) -> tuple[str, str]:
        (row,) = await tx.rows("SELECT current_setting('mailward.workspace'), current_user::text")
        return row[0], row[1]

    async def verb(tx: Sql, items: list[int]) -> list[tuple[str, str]]:
        await tx.outside(
            "INSERT INTO counters(name, value) VALUES ($1, $2) "
            "ON CONFLICT (name) DO UPDATE SET value = counters.value + excluded.value",
            (tx.workspace or b"").hex(),
            len(items),
        )
        return [await scoped(tx)] * len(items)

    jobs = [(store, w) for _ in range(20) for store in stores for w in WORKSPACES]
    written = await asyncio.gather(*(store.write_item(verb, w, 1) for store, w in jobs))
    read = await asyncio.gather(*(store.read(ids.encode("ws", w), scoped) for store, w in jobs))
    expected = [(w.hex(), "mailward_tenant") for _, w in jobs]
    assert written == expected
    assert read == expected
    counters = await stores[0].system_read(
        lambda tx: tx.rows("SELECT name, value FROM counters WHERE length(name) = 32")
    )
    assert {r[0]: r[1] for r in counters} == {w.hex(): 40 for w in WORKSPACES}
    assert (await stores[1].system_read(scoped))[1] == "mailward_system"
