"""No table can be forgotten: what moves is compared with the live catalogues of both stores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import apsw
import asyncpg
import pytest

from mailward.adapters.storage.moving.sealing import SHAPES, Sealing
from mailward.adapters.storage.moving.tables import OF_A_PLACE, STAYS, TABLES
from mailward.adapters.storage.postgres.sealed import FieldCipher
from mailward.adapters.storage.sqlite.connection import connect
from mailward.adapters.storage.sqlite.engine import SqliteStore
from tests.conftest import MovingClock, SeededEntropy
from tests.postgres_server import PostgresServer, derive

# One table on the embedded store, two on PostgreSQL.
_ONE_OF_TWO = {"open_deliveries": "deliveries"}


@pytest.fixture
def embedded(tmp_path: Path, clock: MovingClock) -> apsw.Connection:
    """A fresh store's file."""
    key = bytes(range(32))
    SqliteStore.prepare(tmp_path, key, clock)
    return connect(tmp_path / "state.db", key)


def test_every_table_of_the_embedded_store_moves_or_stays_for_a_reason(embedded: apsw.Connection) -> None:
    """Each table of the file is moved with every column by its primary key or a unique one, or is listed as staying."""
    moving = {t.embedded: t for t in TABLES}
    there = [str(r[0]) for r in embedded.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for name in there:
        if name.removeprefix("t_") in STAYS or name.startswith("sqlite_"):
            continue
        assert name in moving, f"{name} has no mover: add it to adapters/storage/moving/tables.py"
        info: list[Any] = list(embedded.execute(f"PRAGMA table_info({name})"))
        table = moving.pop(name)
        assert set(table.columns) == {r[1] for r in info}, name
        assert len(table.columns) == len(set(table.columns)), name
        unique = [{r[1] for r in info if r[5]}]
        for index in list(embedded.execute(f"PRAGMA index_list({name})")):
            if index[2] and not index[4]:
                unique.append({r[2] for r in list(embedded.execute(f"PRAGMA index_info({index[1]})"))})
        assert set(table.key) in unique, f"{name}: rows are read by columns that are not unique together"
    assert not moving, "these are listed and not there"


async def test_every_table_of_postgresql_moves_or_stays_for_a_reason(postgres_server: PostgresServer) -> None:
    """Each table of the schema is written with every column, or is listed as staying."""
    database = await postgres_server.fresh_database()
    db = await asyncpg.connect(postgres_server.url("postgres", database), ssl=False)
    try:
        rows = await db.fetch(
            "SELECT c.relname, array_agg(a.attname::text) FROM pg_class AS c "
            "JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = 'mailward' "
            "JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
            "AND a.attgenerated = '' "
            "WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition GROUP BY c.relname"
        )
    finally:
        await db.close()
        await postgres_server.drop_database(database)
    cipher = FieldCipher(derive, SeededEntropy())
    moving = {t.name: t for t in TABLES}
    seen = set()
    for name, columns in rows:
        if name in STAYS:
            continue
        name = _ONE_OF_TWO.get(name, name)
        assert name in moving, f"{name} has no mover: add it to adapters/storage/moving/tables.py"
        assert set(Sealing(moving[name], cipher).columns) == set(columns), name
        seen.add(name)
    assert seen == set(moving)


def test_nothing_is_said_of_tables_that_are_not_there() -> None:
    """Shapes and exceptions name tables that move."""
    names = {t.name for t in TABLES}
    assert set(SHAPES) <= names
    assert names >= OF_A_PLACE
    assert not names & set(STAYS)
