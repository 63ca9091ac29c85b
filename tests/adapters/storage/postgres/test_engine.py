"""What the PostgreSQL engine does beyond the suite: merging, savepoints, lost answers, deadlocks, notices."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any

import asyncpg
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mailward.adapters.storage.postgres import connect, reading, transaction
from mailward.adapters.storage.postgres.counters import PgCounters
from mailward.adapters.storage.postgres.engine import Limits, PostgresStore
from mailward.adapters.storage.postgres.sql import EPOCHS_LOCK, Sql
from mailward.adapters.storage.records import open_record
from mailward.base import ids
from mailward.base.errors import Conflict, Unavailable
from mailward.core.workspaces.model import DataKey
from tests.adapters.storage.postgres.conftest import MemoryBodies, OpenStore
from tests.postgres_server import PostgresServer

WS = b"\x01" * 16
OTHER = b"\x02" * 16


def ws(raw: bytes) -> str:
    return ids.encode("ws", raw)


async def put(tx: Sql, name: str, value: int = 1) -> None:
    await tx.outside("INSERT INTO counters(name, value) VALUES ($1,$2)", name, value)


async def names(store: PostgresStore) -> set[str]:
    async def verb(tx: Sql) -> set[str]:
        return {r[0] for r in await tx.rows("SELECT name FROM counters")}

    return await store.system_read(verb)


async def test_a_verb_commits_and_is_read(open_store: OpenStore) -> None:
    """What a verb wrote is there for a reader once its future has resolved."""
    store = await open_store()
    await store.write(ws(WS), lambda tx: put(tx, "a"))
    await store.system_write(lambda tx: put(tx, "b"))
    assert await names(store) == {"a", "b"}


async def test_a_failing_verb_undoes_only_itself(open_store: OpenStore) -> None:
    """A verb that raises leaves nothing behind, and verbs beside it commit."""
    store = await open_store()

    async def bad(tx: Sql) -> None:
        await put(tx, "bad")
        raise Conflict("no", "No.")

    async def broken(tx: Sql) -> None:
        await put(tx, "broken")
        await tx.run("SELECT nonsense")

    results = await asyncio.gather(
        store.write(ws(WS), lambda tx: put(tx, "one")),
        store.write(ws(WS), bad),
        store.write(ws(WS), broken),
        store.write(ws(OTHER), lambda tx: put(tx, "two")),
        return_exceptions=True,
    )
    assert [type(r) for r in results] == [type(None), Conflict, asyncpg.UndefinedColumnError, type(None)]
    assert await names(store) == {"one", "two"}


async def test_items_of_one_list_verb_run_as_one_call(open_store: OpenStore) -> None:
    """Items that wait together run as one call a workspace; one that is refused fails alone."""
    store = await open_store()
    calls: list[tuple[bytes | None, int]] = []

    async def verb(tx: Sql, items: list[int]) -> list[Any]:
        calls.append((tx.workspace, len(items)))
        for n in items:
            await put(tx, f"{tx.workspace!r}{n}")
        return [Conflict("odd", "Odd.") if n % 2 else n for n in items]

    futures = [store.write_item(verb, w, n) for n in range(10) for w in (WS, OTHER)]
    results = await asyncio.gather(*futures, return_exceptions=True)
    assert sorted(calls) == [(WS, 10), (OTHER, 10)]
    assert [isinstance(r, Conflict) for r in results] == [n % 2 == 1 for n in range(10) for _ in (WS, OTHER)]
    assert len(await names(store)) == 20


async def test_what_comes_while_a_transaction_begins_goes_along(
    open_store: OpenStore, admin: asyncpg.Connection[Any]
) -> None:
    """Items of a group that is not run yet join it, with its failures; who was cancelled meanwhile does not happen."""
    store = await open_store()
    calls: list[list[int]] = []

    async def verb(tx: Sql, items: list[int]) -> list[Any]:
        calls.append(items)
        if 0 in items:
            raise Conflict("odd", "Odd.")
        for n in items:
            await put(tx, f"{n}")
        return [n * n for n in items]

    async def waiting() -> bool:
        return bool(await admin.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"))

    async def begun(*first: int) -> list[asyncio.Future[Any]]:
        """The first items, in a transaction that has not come further than its beginning."""
        await admin.execute("SELECT pg_advisory_lock($1)", EPOCHS_LOCK)
        futures = [store.write_item(verb, WS, n) for n in first]
        async with asyncio.timeout(10):
            while not await waiting():
                await asyncio.sleep(0.01)
        return futures

    futures = await begun(1)
    futures += [store.write_item(verb, WS, n) for n in (2, 3, 4)]
    futures.pop(2).cancel()
    await admin.execute("SELECT pg_advisory_unlock($1)", EPOCHS_LOCK)
    assert await asyncio.gather(*futures) == [1, 4, 16]
    assert calls == [[1, 2, 4]]
    assert await names(store) == {"1", "2", "4"}
    futures = await begun(5)
    futures.append(store.write_item(verb, WS, 0))
    await admin.execute("SELECT pg_advisory_unlock($1)", EPOCHS_LOCK)
    results = await asyncio.gather(*futures, return_exceptions=True)
    assert [type(r) for r in results] == [Conflict, Conflict]
    assert await names(store) == {"1", "2", "4"}


async def test_a_group_that_fails_as_a_whole_leaves_its_neighbours(open_store: OpenStore) -> None:
    """The savepoint of one workspace's group goes; the groups of others in the same transaction commit."""
    store = await open_store()

    async def verb(tx: Sql, items: list[int]) -> list[Any]:
        await put(tx, f"{tx.workspace!r}")
        if tx.workspace == WS:
            await tx.run("INSERT INTO counters VALUES ('x', NULL)")
        return items

    third = b"\x03" * 16
    futures = [store.write_item(verb, w, 1) for w in (WS, OTHER, third)]
    results = await asyncio.gather(*futures, return_exceptions=True)
    assert isinstance(results[0], asyncpg.PostgresError)
    assert results[1:] == [1, 1]
    assert await names(store) == {repr(OTHER), repr(third)}


async def test_transactions_that_lock_crosswise_run_again(open_store: OpenStore) -> None:
    """The victim of a deadlock is run again from its start and commits."""
    store = await open_store()
    await store.system_write(lambda tx: put(tx, "a", 0))
    await store.system_write(lambda tx: put(tx, "b", 0))
    both = asyncio.Event()
    waiting = 0

    async def cross(tx: Sql, first: str, second: str) -> None:
        nonlocal waiting
        await tx.run("UPDATE counters SET value = value + 1 WHERE name = $1", first)
        waiting += 1
        if waiting >= 2:
            both.set()
        await both.wait()
        await tx.run("UPDATE counters SET value = value + 1 WHERE name = $1", second)

    await asyncio.gather(
        store.system_write(lambda tx: cross(tx, "a", "b")), store.system_write(lambda tx: cross(tx, "b", "a"))
    )

    async def values(tx: Sql) -> list[int]:
        return [r[0] for r in await tx.rows("SELECT value FROM counters WHERE name IN ('a', 'b')")]

    assert await store.system_read(values) == [2, 2]
    assert waiting == 3


async def test_an_epoch_moves_behind_all_else(open_store: OpenStore) -> None:
    """One verb moves an epoch and then wants a row, another has the row and moves an epoch, while mail is accepted:
    they wait for each other in one order, so that nobody is a deadlock's victim."""
    store = await open_store()
    await store.system_write(lambda tx: put(tx, "row", 0))
    moved, has_row = asyncio.Event(), asyncio.Event()
    began: list[str] = []

    async def takes_row(tx: Sql) -> None:
        await tx.run("UPDATE counters SET value = value + 1 WHERE name = 'row'")

    async def moves_first(tx: Sql) -> None:
        began.append("first")
        await PgCounters(tx).bump("auth_epoch")
        moved.set()
        await has_row.wait()
        await takes_row(tx)

    async def moves_last(tx: Sql) -> None:
        began.append("last")
        await takes_row(tx)
        has_row.set()
        await moved.wait()
        await PgCounters(tx).bump("domains_epoch")

    async def accepts(tx: Sql, items: list[int]) -> list[int]:
        began.append("accepts")
        return items

    acts = asyncio.gather(store.system_write(moves_first), store.system_write(moves_last))
    await moved.wait()
    async with asyncio.timeout(2):
        await store.write_item(accepts, WS, 1)
        await acts
    assert sorted(began) == ["accepts", "first", "last"]
    assert (await values_of(store))[:2] == (1, 1)


async def test_an_epoch_moves_with_its_verb_only(open_store: OpenStore) -> None:
    """A verb sees its own moves, one for each it asked for; one that is undone, wholly or in part, moves nothing."""
    store = await open_store()

    async def often(tx: Sql) -> list[int]:
        counters = PgCounters(tx)
        return [await counters.value("auth_epoch")] + [await counters.bump("auth_epoch") for _ in range(3)]

    async def in_part(tx: Sql) -> None:
        with contextlib.suppress(Conflict):
            async with tx.attempt():
                await PgCounters(tx).bump("domains_epoch")
                raise Conflict("no", "No.")
        await put(tx, "kept")

    async def items(tx: Sql, names: list[str]) -> list[None]:
        await PgCounters(tx).bump("webhooks_epoch" if tx.workspace == OTHER else "auth_epoch")
        if tx.workspace == OTHER:
            raise Conflict("no", "No.")
        return [None for _ in names]

    assert await store.system_write(often) == [0, 1, 2, 3]
    await store.system_write(in_part)
    done = await asyncio.gather(*(store.write_item(items, raw, "x") for raw in (WS, OTHER)), return_exceptions=True)
    assert [type(d) for d in done] == [type(None), Conflict]
    assert await values_of(store) == (4, 0, 0)


async def values_of(store: PostgresStore) -> tuple[int, ...]:
    """The epochs of credentials, domains and webhooks."""
    names = ("auth_epoch", "domains_epoch", "webhooks_epoch")
    return await store.system_read(lambda tx: _values(tx, names))


async def _values(tx: Sql, names: tuple[str, ...]) -> tuple[int, ...]:
    return tuple([await PgCounters(tx).value(name) for name in names])


class Cut:
    """A proxy in front of the server that loses what it is told to."""

    def __init__(self, server: PostgresServer) -> None:
        self._to = server.port
        self.port = 0
        self.lose_answer_to = b""
        self.lose_request = b""
        self.refusing = False
        self.mute = False
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Cut:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()

    def cut(self) -> None:
        """Break every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refusing:
            writer.transport.abort()
            return
        up_reader, up = await asyncio.open_connection("127.0.0.1", self._to)
        self._writers |= {writer, up}
        silent = False

        async def there() -> None:
            nonlocal silent
            while data := await reader.read(65536):
                if self.lose_request and self.lose_request in data:
                    self.lose_request = b""
                    break
                if self.lose_answer_to and self.lose_answer_to in data:
                    self.lose_answer_to = b""
                    silent = True
                up.write(data)
            else:
                up.close()
                return
            writer.transport.abort()
            up.transport.abort()

        async def back() -> None:
            while data := await up_reader.read(65536):
                if self.mute:
                    continue
                if silent:
                    break
                writer.write(data)
            writer.transport.abort()
            up.transport.abort()

        await asyncio.gather(there(), back(), return_exceptions=True)


async def test_a_commit_whose_answer_is_lost_counts(
    open_store: OpenStore, postgres_server: PostgresServer, database: str
) -> None:
    """The transaction took place once, and its caller is told so, though the answer to COMMIT never came."""
    async with Cut(postgres_server) as proxy:
        url = postgres_server.url("mailward_app", database).replace(str(postgres_server.port), str(proxy.port))
        store = await open_store(url=url)
        await store.system_write(lambda tx: put(tx, "before"))
        runs = 0

        async def verb(tx: Sql) -> str:
            nonlocal runs
            runs += 1
            await put(tx, f"run{runs}")
            proxy.lose_answer_to = b"COMMIT"
            return "done"

        assert await store.system_write(verb) == "done"
        assert runs == 1
        assert await names(store) == {"before", "run1"}
        await store.close()


async def test_a_commit_that_never_arrived_runs_again(
    open_store: OpenStore, postgres_server: PostgresServer, database: str
) -> None:
    """A connection that broke before COMMIT reached the server is made up for by running the verb again."""
    async with Cut(postgres_server) as proxy:
        url = postgres_server.url("mailward_app", database).replace(str(postgres_server.port), str(proxy.port))
        store = await open_store(url=url)
        runs = 0

        async def verb(tx: Sql) -> str:
            nonlocal runs
            runs += 1
            await put(tx, f"run{runs}")
            if runs == 1:
                proxy.lose_request = b"COMMIT"
            return "done"

        assert await store.system_write(verb) == "done"
        assert runs == 2
        assert await names(store) == {"run2"}
        await store.close()


async def test_a_server_that_is_away_defers_and_comes_back(
    open_store: OpenStore, postgres_server: PostgresServer, database: str
) -> None:
    """While the server does not answer, writes and reads say Unavailable; afterwards they go on by themselves."""
    async with Cut(postgres_server) as proxy:
        url = postgres_server.url("mailward_app", database).replace(str(postgres_server.port), str(proxy.port))
        store = await open_store(url=url, limits=Limits(patience=0.2))
        await store.system_write(lambda tx: put(tx, "a"))
        proxy.refusing = True
        proxy.cut()
        with pytest.raises(Unavailable):
            await store.system_write(lambda tx: put(tx, "b"))
        with pytest.raises(Unavailable):
            await names(store)
        proxy.refusing = False
        for _ in range(100):
            try:
                assert await names(store) == {"a"}
                break
            except Unavailable:
                await asyncio.sleep(0.1)
        await store.system_write(lambda tx: put(tx, "c"))
        assert await names(store) == {"a", "c"}
        await store.close()


async def test_a_server_that_falls_silent_holds_nobody_up(
    open_store: OpenStore, postgres_server: PostgresServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections that stay open and answer nothing are given up in time, for reading and for writing."""
    monkeypatch.setattr(transaction, "_SINGLE_SECONDS", 0.3)
    monkeypatch.setattr(reading, "_SECONDS", 0.3)
    monkeypatch.setattr(connect, "_CONNECT_SECONDS", 0.3)
    async with Cut(postgres_server) as proxy:
        url = postgres_server.url("mailward_app", database).replace(str(postgres_server.port), str(proxy.port))
        store = await open_store(url=url, limits=Limits(patience=0.2))
        await store.system_write(lambda tx: put(tx, "a"))
        assert await names(store) == {"a"}
        proxy.mute = True
        for silent in (store.system_write(lambda tx: put(tx, "b")), names(store)):
            with pytest.raises(Unavailable):
                await asyncio.wait_for(silent, 5)
        proxy.mute = False
        proxy.cut()
        await asyncio.sleep(0.5)
        await store.system_write(lambda tx: put(tx, "c"))
        assert await names(store) == {"a", "c"}
        await store.close()


async def test_a_statement_that_is_cancelled_asks_to_come_again(
    open_store: OpenStore, postgres_server: PostgresServer, database: str
) -> None:
    """Whatever cancelled it (a table locked for longer than a statement may take, somebody at the server): whoever
    asked hears that it was not possible now, at each door, and the connections go on."""
    store = await open_store()
    outside = await asyncpg.connect(postgres_server.url("postgres", database))

    async def slow(tx: Sql) -> None:
        await tx.rows("SELECT pg_sleep(30)")

    async def items(tx: Sql, given: list[int]) -> list[int]:
        await slow(tx)
        return given

    ways: list[Callable[[], asyncio.Future[Any]]] = [
        lambda: store.system_write(slow),
        lambda: store.system_read(slow),
        lambda: store.write_item(items, WS, 1),
    ]
    for ask in ways:
        asked = asyncio.ensure_future(ask())
        while not asked.done():
            await outside.execute(
                "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(30)'"
            )
            await asyncio.sleep(0.02)
        with pytest.raises(Unavailable):
            await asked
    await outside.close()
    await store.system_write(lambda tx: put(tx, "a"))
    assert await names(store) == {"a"}


async def test_an_item_waits_for_its_body(open_store: OpenStore, bodies: MemoryBodies) -> None:
    """A verb sees an item once its body is durable; a place of bodies that is away defers and nothing is written."""
    store = await open_store()
    key = DataKey(1, 1, AESGCM(bytes(32)))

    async def verb(tx: Sql, items: list[Any]) -> list[Any]:
        for n, _ in items:
            await put(tx, f"{n}")
        return [ref for _, ref in items]

    refs = await asyncio.gather(*(store.write_item(verb, WS, n, (bytes(16), key, b"x" * n)) for n in range(20)))
    assert bodies.groups == [20]
    for n, ref in enumerate(refs):
        assert open_record(await store.read_body(ref), WS, bytes(16), key) == b"x" * n
    bodies.away = True
    with pytest.raises(Unavailable):
        await store.write_item(verb, WS, 99, (bytes(16), key, b"x"))
    assert "99" not in await names(store)


async def test_others_are_told(open_store: OpenStore) -> None:
    """What one process announces reaches another, once; the announcer itself is told at once of an epoch."""
    one, two = await open_store(), await open_store()
    heard: asyncio.Queue[tuple[int, str]] = asyncio.Queue()
    one.watch(lambda topic: heard.put_nowait((1, topic)))
    two.watch(lambda topic: heard.put_nowait((2, topic)))
    # Whoever starts to listen makes up for what was said before.
    await asyncio.sleep(0.3)
    while not heard.empty():
        heard.get_nowait()

    async def changing(tx: Sql) -> None:
        await put(tx, "x")
        tx.announce("epochs")

    await one.system_write(changing)
    assert await asyncio.wait_for(heard.get(), 5) == (1, "epochs")
    assert await asyncio.wait_for(heard.get(), 5) == (2, "epochs")
    assert heard.empty()


async def test_closing_finishes_what_is_queued(open_store: OpenStore) -> None:
    """Jobs queued before `close` commit; afterwards the doors say that the store is stopping."""
    store = await open_store()
    futures = [store.system_write(partial(put, name=f"{n}")) for n in range(50)]
    await store.close()
    assert all(f.done() and f.exception() is None for f in futures)
    with pytest.raises(Unavailable):
        store.system_write(lambda tx: put(tx, "late"))


async def test_reading_writes_nothing(open_store: OpenStore) -> None:
    """A verb that writes through a reading door is refused by the server."""
    store = await open_store()
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await store.system_read(lambda tx: put(tx, "x"))
