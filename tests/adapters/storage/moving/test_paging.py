"""Reading a large table page by page on PostgreSQL costs what the table holds, not the square of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from mailward.adapters.storage.moving.database import PostgresSide
from mailward.adapters.storage.moving.tables import TABLES, Row, Table
from mailward.adapters.storage.postgres.access import Access
from tests.adapters.storage.postgres.transactions import WS, cipher, facts, id_of
from tests.postgres_server import PostgresServer

ROWS, PAGE = 3000, 50


def rows_of(name: str) -> tuple[Table, list[Row]]:
    table = next(t for t in TABLES if t.name == name)
    made: dict[str, list[Row]] = {
        "messages": [(WS, id_of(n), 1, None, None, None, facts(), None) for n in range(ROWS)],
        "deliveries": [(WS, id_of(n), 0, "b@x.test", 3, 1, 0, 1, 1, None, None) for n in range(ROWS)],
        "timeline": [(WS, id_of(n), n, "accepted", "{}") for n in range(ROWS)],
    }
    return table, made[name]


@pytest.fixture
async def database(postgres_server: PostgresServer) -> AsyncIterator[str]:
    name = await postgres_server.fresh_database()
    yield name
    await postgres_server.give_back(name)


@pytest.mark.parametrize("name", ["messages", "deliveries", "timeline"])
@pytest.mark.parametrize("snapshot", [True, False])
async def test_a_page_reads_its_own_rows(
    postgres_server: PostgresServer, database: str, name: str, snapshot: bool
) -> None:
    """Also once the server has looked at the table and knows that all of it is one workspace's."""
    table, rows = rows_of(name)
    access = Access(postgres_server.url("mailward_app", database), plaintext=("127.0.0.1",))
    target = await PostgresSide.open(access, cipher(), snapshot=False)
    await target.write(table, rows, {})
    await target.close()
    admin = await asyncpg.connect(postgres_server.url("postgres", database), ssl=False)
    await admin.execute("VACUUM ANALYZE")
    side = await PostgresSide.open(access, cipher(), snapshot=snapshot)
    try:
        read = "SELECT coalesce(sum(seq_tup_read + idx_tup_fetch), 0) FROM pg_stat_all_tables WHERE relname LIKE $1"
        before = int(await admin.fetchval(read, f"{name}%"))
        found = [row async for page in side.pages(table, None, PAGE) for _, row in page.rows]
    finally:
        await side.close()
    assert found == rows
    await admin.execute("SELECT pg_stat_clear_snapshot()")
    # What a connection read is told when it ends.
    assert ROWS <= int(await admin.fetchval(read, f"{name}%")) - before <= 2 * ROWS
    await admin.close()
