"""The index of the search in runs finds what one list of pairs would find, however many runs there are."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import apsw
import pytest

from mailward.adapters.storage.sqlite import migrate, search
from mailward.adapters.storage.sqlite.connection import connect
from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.adapters.storage.sqlite.search import SearchRuns
from mailward.adapters.storage.sqlite.tx import SqliteTx
from mailward.base import ids
from tests.conftest import MovingClock

KEY = bytes(range(32))
WORKSPACE, OTHER = ids.encode("ws", b"w" * 16), ids.encode("ws", b"v" * 16)


@pytest.fixture(autouse=True)
def small_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Full after 40 rows, or a sixteenth of all."""
    monkeypatch.setattr(search, "_ROWS", 40)
    monkeypatch.setattr(search, "_PART", 16)


def token(n: int) -> bytes:
    return bytes((n,)) * 8


def message(n: int) -> bytes:
    return n.to_bytes(16, "big")


class Model:
    """The pairs, as a set."""

    def __init__(self) -> None:
        self.pairs: set[tuple[bytes, bytes]] = set()

    def found(self, tokens: Sequence[bytes], before: bytes | None, limit: int) -> list[bytes]:
        carrying = [{m for t, m in self.pairs if t == wanted} for wanted in tokens]
        below = before or b"\xff" * 16
        return sorted((m for m in set.intersection(*carrying) if m < below), reverse=True)[:limit]


async def add(store: SqliteStore, rows: list[tuple[bytes, bytes]], workspace: str = WORKSPACE) -> None:
    async def verb(tx: SqliteTx) -> None:
        SearchRuns(tx).add(rows)

    await store.write(workspace, verb)


async def remove(store: SqliteStore, pairs: list[tuple[bytes, bytes]]) -> None:
    async def verb(tx: SqliteTx) -> None:
        SearchRuns(tx).remove(pairs)

    await store.write(WORKSPACE, verb)


async def found(
    store: SqliteStore, tokens: Sequence[bytes], before: bytes | None = None, limit: int = 50, *, by: str = WORKSPACE
) -> list[bytes]:
    async def verb(tx: SqliteTx) -> list[bytes]:
        return SearchRuns(tx).found(tokens, before=before, limit=limit)

    return await store.read(by, verb)


async def runs(store: SqliteStore) -> list[tuple[int, int]]:
    """(run, rows counted) of each run, and no run counts fewer than it has."""

    async def verb(tx: SqliteTx) -> list[tuple[int, int]]:
        counted = {r[0]: r[1] for r in tx.rows("SELECT run, rows FROM search_runs ORDER BY run")}
        there = {r[0]: r[1] for r in tx.rows("SELECT run, count(*) FROM search GROUP BY run")}
        assert there.keys() <= counted.keys()
        assert all(counted[run] >= n for run, n in there.items())
        return list(counted.items())

    return await store.read(WORKSPACE, verb)


async def test_runs_together_find_what_one_list_would(store: SqliteStore) -> None:
    """Batches of any size, common and rare tokens, one or several at once, pages, and pairs that are taken away."""
    chance = random.Random(7)  # a test's
    model = Model()
    newest = 0
    for _ in range(60):
        batch = []
        for _ in range(chance.randrange(1, 9)):
            newest += chance.randrange(1, 4)
            tokens = {chance.randrange(4), chance.randrange(4, 30), chance.randrange(30, 250)}
            batch += [(token(t), message(newest)) for t in tokens]
        await add(store, batch)
        model.pairs.update(batch)
        if chance.random() < 0.3:
            gone = chance.sample(sorted(model.pairs), chance.randrange(1, 12))
            await remove(store, gone)
            model.pairs.difference_update(gone)
    assert len(await runs(store)) > 5
    for _ in range(300):
        wanted = [token(t) for t in chance.sample([0, 1, 2, 3, *range(4, 40)], chance.randrange(1, 4))]
        before = chance.choice([None, message(chance.randrange(newest + 2))])
        limit = chance.choice([1, 3, 50])
        assert await found(store, wanted, before, limit) == model.found(wanted, before, limit)


async def test_runs_grow_with_what_there_is(store: SqliteStore) -> None:
    """So that a hundred times as much is not a hundred times as many."""
    counts = []
    for n in range(3000):
        await add(store, [(token(n % 251), message(n)), (token(0), message(n))])
        if n + 1 in (300, 3000):
            counts.append(len(await runs(store)))
    assert counts[0] >= 600 // 42
    assert counts[1] < 4 * counts[0]
    assert await found(store, [token(0)], message(2000), 2) == [message(1999), message(1998)]


async def test_a_run_whose_messages_are_gone_goes(store: SqliteStore) -> None:
    """Not the newest, which keeps its number; and what is indexed later is found."""
    pairs = [(token(n % 7), message(n)) for n in range(200)]
    for n in range(0, 200, 10):
        await add(store, pairs[n : n + 10])
    before = await runs(store)
    await remove(store, pairs[:100])
    await remove(store, pairs[:100])
    left = await runs(store)
    assert 0 < len(left) < len(before)
    await remove(store, pairs)
    assert await runs(store) == before[-1:]
    await add(store, [(token(1), message(900))])
    assert await found(store, [token(1)]) == [message(900)]


async def test_what_was_never_indexed_can_be_removed(store: SqliteStore) -> None:
    """From an empty index, from before its first run and behind its last."""
    await remove(store, [(token(1), message(5))])
    await add(store, [(token(1), message(10))])
    await remove(store, [(token(1), message(5)), (token(1), message(11)), (token(2), message(10))])
    assert await found(store, [token(1)]) == [message(10)]


async def test_workspaces_have_runs_of_their_own(store: SqliteStore) -> None:
    """The same token and the same ids in two of them do not meet."""
    await add(store, [(token(1), message(1))])
    await add(store, [(token(1), message(2))], OTHER)
    assert await found(store, [token(1)]) == [message(1)]
    assert await found(store, [token(1)], by=OTHER) == [message(2)]


async def test_runs_are_walked_in_the_order_of_their_key(store: SqliteStore) -> None:
    """Nothing is sorted, so a search stops when it has enough."""

    async def plans(tx: SqliteTx) -> list[str]:
        sql = (
            "SELECT s.message FROM search_runs AS r CROSS JOIN search AS s ON s.run = r.run AND s.token = ?1 "
            "WHERE r.first < ?2 AND s.message < ?2 ORDER BY r.run DESC, s.message DESC LIMIT 9"
        )
        return [r[3] for r in tx.rows("EXPLAIN QUERY PLAN " + sql, (b"t", b"m"))]

    steps = await store.read(WORKSPACE, plans)
    assert any("run=? AND token=? AND message<?" in step for step in steps)
    assert not any("TEMP B-TREE" in step for step in steps)


def test_an_index_of_before_is_made_anew(tmp_path: Path, clock: MovingClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store with one tree for all: it goes, and with it the note of how far it reached; upkeep begins again."""
    ours = migrate.available()
    monkeypatch.setattr(migrate, "available", lambda: [m for m in ours if m[1] != "search_runs"])
    SqliteStore.prepare(tmp_path, KEY, clock)
    db = connect(tmp_path / "state.db", KEY)
    db.create_scalar_function("scope_allows", lambda *_: 1, 1, flags=apsw.SQLITE_INNOCUOUS)
    db.execute("INSERT INTO t_search(workspace, token, message) VALUES (?,?,?)", (b"w" * 16, token(1), message(1)))
    db.execute("INSERT INTO t_search_progress(workspace, upto) VALUES (?,?)", (b"w" * 16, message(1)))
    db.close()
    monkeypatch.undo()
    assert SqliteStore.prepare(tmp_path, KEY, clock) == ["0350_search_runs"]
    db = connect(tmp_path / "state.db", KEY)
    for table in ("t_search", "t_search_runs", "t_search_progress"):
        assert db.execute(f"SELECT * FROM {table}").fetchall() == []
    db.close()
