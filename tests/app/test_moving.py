"""Moving house: from the embedded store to PostgreSQL and back, cut off anywhere, with nothing forgotten."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mailward.adapters.storage.moving.tables import TABLES, comparable, settled
from mailward.app.moving import Outcome, held, run, share_keys
from mailward.app.settings import Settings
from tests.app.moving_rig import Filled, embedded, fill, postgres
from tests.postgres_server import PostgresServer


class CutOff(BaseException):
    """Stands for a kill: nothing of ours may catch it."""


class Watch:
    """A listener that may end everything at a chosen moment."""

    def __init__(self, cut_at: int = -1) -> None:
        self.told = 0
        self._cut_at = cut_at

    def table(self, name: str, rows: int, of: int) -> None:
        self.told += 1
        assert rows <= of
        if self.told == self._cut_at:
            raise CutOff


@pytest.fixture
async def database(postgres_server: PostgresServer) -> AsyncIterator[str]:
    name = await postgres_server.fresh_database()
    yield name
    await postgres_server.drop_database(name)


async def move(
    source: Settings, target: Settings, *, watch: Watch | None = None, every: bool = True, only_verify: bool = False
) -> Outcome:
    with held(source, target):
        share_keys(source, target)
        return await run(source, target, watch or Watch(), every=every, only_verify=only_verify)


def rows_of(filled: Filled) -> dict[str, list[object]]:
    """Every table as it arrives, without the places of bodies."""
    db = filled.open()
    out: dict[str, list[object]] = {}
    for table in TABLES:
        rows = db.execute(f"SELECT {', '.join(table.columns)} FROM {table.embedded}").fetchall()
        out[table.name] = sorted((comparable(table, settled(table, r)) for r in rows), key=repr)
    db.close()
    return out


def files_of(folder: Path) -> dict[str, str]:
    """Everything in an installation but its locks, and the empty log that any reader of its store makes."""
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in folder.rglob("*")
        if p.is_file()
        and "roles" not in p.parts
        and p.suffix not in (".lock",)
        and not p.name.endswith("-shm")
        and not (p.name.endswith("-wal") and not p.stat().st_size)
    }


async def test_there_and_back(tmp_path: Path, postgres_server: PostgresServer, database: str) -> None:
    """Every row of every table arrives in PostgreSQL and again in a second embedded store, each body opens, and the
    source is not touched."""
    source = fill(embedded(tmp_path / "old"))
    before = files_of(tmp_path / "old")
    middle = postgres(tmp_path / "node", postgres_server, database)
    there = await move(source.settings, middle)
    assert there.good, there
    assert there.finished
    assert there.bodies.named == there.bodies.opened > 6
    assert all(t.rows for t in there.tables.values())
    assert there.left_behind == {"erasures": 12}
    assert files_of(tmp_path / "old") == before
    last = embedded(tmp_path / "new")
    back = await move(middle, last)
    assert back.good, back
    assert back.left_behind == {}
    assert {n: t.hash for n, t in back.tables.items()} == {n: t.hash for n, t in there.tables.items()}
    found, wanted = rows_of(Filled(last)), rows_of(source)
    del wanted["erasures"], found["erasures"]
    assert found == wanted
