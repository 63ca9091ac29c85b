"""The committing process on PostgreSQL, and a worker's link to it: what is committed for whom, and what if one dies."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mailward.adapters.storage.committing.door import listen
from mailward.adapters.storage.committing.frames import MAX_RECORD, SharedVerb
from mailward.adapters.storage.postgres.engine import PostgresStore
from mailward.adapters.storage.postgres.serving import Serving
from mailward.adapters.storage.postgres.sql import Sql
from mailward.adapters.storage.records import BodyRef, open_record
from mailward.base import ids
from mailward.base.errors import Conflict, Unavailable
from mailward.core.workspaces.model import DataKey
from tests.adapters.storage.postgres.conftest import MemoryBodies, OpenStore

WS = b"\x01" * 16
SCOPE = ids.encode("ws", WS)
KEY = DataKey(1, 1, AESGCM(bytes(32)))


class Odd(Unavailable):
    """An error that is made without arguments."""

    def __init__(self) -> None:
        super().__init__("odd", "Odd.")


class Verb:
    """Numbers become counters; a transaction waits while `held`."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.held: asyncio.Event | None = None

    def called(self, times: int) -> bool:
        return len(self.calls) >= times

    async def insert(self, tx: Sql, items: list[tuple[int, Any]]) -> list[Any]:
        """Some numbers are errors."""
        self.calls.append(len(items))
        out: list[Any] = []
        for n, _ in items:
            if n == 13:
                out.append(Odd())
            elif n == 14:
                out.append(Conflict("taken", "It is taken.", detail="by another"))
            else:
                # Nothing stands in the way of doing it twice, as with most of what a verb writes; it only shows.
                again = "ON CONFLICT (name) DO UPDATE SET value = counters.value + 1"
                await tx.outside(f"INSERT INTO counters(name, value) VALUES ($1, 1) {again}", f"n{n}")
                out.append(n)
        if self.held is not None:
            await self.held.wait()
        return out

    async def inserted(self, tx: Sql, items: list[int]) -> list[int | None]:
        """Those that are there."""
        there = {r[0] for r in await tx.outside("SELECT name FROM counters")}
        return [n if f"n{n}" in there else None for n in items]

    def shared(self) -> SharedVerb:
        return SharedVerb("insert", self.insert, int, int, self.inserted, True)


@dataclass
class Machine:
    """A worker's store, and the committing process in the same loop."""

    worker: PostgresStore
    committing: PostgresStore
    serving: Serving
    verb: Verb
    path: Path

    def put(self, n: int, content: bytes = b"x", workspace: bytes = WS) -> asyncio.Future[Any]:
        return self.worker.write_item(self.verb.insert, workspace, n, body=(n.to_bytes(16, "big"), KEY, content))

    async def there(self) -> set[str]:
        """What was done, nothing of it twice."""

        async def verb(tx: Sql) -> dict[str, int]:
            return {r[0]: r[1] for r in await tx.rows("SELECT name, value FROM counters WHERE name LIKE 'n%'")}

        found = await self.worker.system_read(verb)
        assert set(found.values()) <= {1}
        return set(found)

    def cut(self) -> None:
        """The connection goes, as it does when either end is killed."""
        for peer in list(self.serving.peers):
            assert peer._transport is not None
            peer._transport.abort()


@pytest.fixture
async def machine(open_store: OpenStore, tmp_path: Path) -> AsyncIterator[Machine]:
    verb = Verb()
    committing, worker = await open_store(), await open_store()
    path = tmp_path / "run" / "commit.sock"
    serving = Serving(committing, [verb.shared()])
    await serving.start(listen(path))
    await worker.join_committer(path, [verb.shared()], errors=(Odd,))
    assert worker._link is not None and worker._link.ready
    yield Machine(worker, committing, serving, verb, path)
    if verb.held is not None:
        verb.held.set()
    await worker.close()
    await serving.stop()


async def test_items_of_a_worker_are_committed_for_it(machine: Machine, bodies: MemoryBodies) -> None:
    """Few calls for many items, each with its own result, and the body opens."""
    results = await asyncio.gather(*(machine.put(n, b"body %d" % n) for n in range(100, 300)))
    assert results == list(range(100, 300))
    assert await machine.there() == {f"n{n}" for n in range(100, 300)}
    assert len(machine.verb.calls) < 20
    number = (100).to_bytes(16, "big")
    record = await bodies.read(BodyRef(1, 0, 8 + 28 + 46))
    assert open_record(record[: _length(record)], WS, number, KEY) == b"body 100"


def _length(record: bytes) -> int:
    return 46 + 12 + int.from_bytes(record[4:8], "big")


async def test_errors_come_back_as_what_they_were(machine: Machine) -> None:
    """A refused item fails alone, with its own kind of error, code and text."""
    put = machine.put
    results: Any = await asyncio.gather(put(1), put(13), put(14), return_exceptions=True)
    assert results[0] == 1
    assert isinstance(results[1], Odd)
    assert isinstance(results[2], Conflict) and (results[2].code, results[2].public) == ("taken", "It is taken.")


async def test_a_large_body_does_not_travel(machine: Machine) -> None:
    """What is larger than a frame should be is committed by its own process."""
    assert await machine.put(5, bytes(MAX_RECORD + 1)) == 5
    assert await machine.there() == {"n5"}


async def test_when_the_committer_dies_nothing_is_lost_or_done_twice(
    machine: Machine, admin: asyncpg.Connection[Any]
) -> None:
    """Its transaction commits although nobody hears of it: the worker finds what is there and does the rest."""
    machine.verb.held = asyncio.Event()
    first = [machine.put(n) for n in range(1000, 1010)]
    await _until(lambda: machine.verb.calls)
    waiting = [*first, *(machine.put(n) for n in range(1010, 1100))]
    machine.cut()
    await _until(lambda: _waits(admin))
    machine.verb.held.set()
    async with asyncio.timeout(10):
        assert await asyncio.gather(*waiting) == list(range(1000, 1100))
    assert await machine.there() == {f"n{n}" for n in range(1000, 1100)}


async def test_what_a_dead_worker_asked_for_is_not_begun(machine: Machine) -> None:
    """A worker that is gone was told nothing: what waits of it must not happen behind its successor's back."""
    machine.verb.held = asyncio.Event()
    machine.put(1)
    await _until(lambda: machine.verb.calls)
    machine.put(2)
    await _until(lambda: sum(len(peer.open) for peer in machine.serving.peers) == 2)
    machine.worker._link._alone = lambda *asked: None  # type: ignore[union-attr]  # nobody is left who would ask again
    machine.cut()
    await asyncio.sleep(0.05)
    machine.verb.held.set()
    await machine.committing.write(SCOPE, _nothing)
    await asyncio.sleep(0.2)
    assert await machine.there() <= {"n1"}


async def _nothing(tx: Sql) -> None:
    await tx.rows("SELECT 1")


async def _until(what: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not (await found if inspect.isawaitable(found := what()) else found):
            await asyncio.sleep(0.005)


_ADVISORY = (
    "FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND datname = current_database()"
)


async def _waits(admin: asyncpg.Connection[Any]) -> bool:
    """Whether a worker waits for what another process has begun."""
    return bool(await admin.fetchval(f"SELECT count(*) {_ADVISORY} AND NOT granted"))


async def test_whatever_the_dead_committer_had_begun_is_over_before_the_second_look(
    machine: Machine, admin: asyncpg.Connection[Any]
) -> None:
    """All its connections were busy: none of what they still commit is done again, and everybody is answered."""
    machine.verb.held = asyncio.Event()
    asked = []
    for n in range(1, 5):
        asked.append(machine.put(999 + n, workspace=bytes([n]) * 16))
        await _until(partial(machine.verb.called, n))
    machine.cut()
    await _until(lambda: _waits(admin))
    assert len(machine.verb.calls) == 4
    machine.verb.held.set()
    assert await asyncio.gather(*asked) == [1000, 1001, 1002, 1003]
    assert await machine.there() == {"n1000", "n1001", "n1002", "n1003"}
    assert len(machine.verb.calls) == 4


async def test_what_the_dead_committer_had_begun_and_lost_is_done(
    machine: Machine, admin: asyncpg.Connection[Any]
) -> None:
    """Its transaction never commits: the worker finds nothing and does it."""
    machine.verb.held = asyncio.Event()
    asked = machine.put(1)
    await _until(lambda: machine.verb.calls)
    machine.cut()
    await _until(lambda: _waits(admin))
    held, machine.verb.held = machine.verb.held, None
    await admin.execute(f"SELECT pg_terminate_backend(pid) {_ADVISORY} AND granted AND state = 'idle in transaction'")
    assert await asked == 1
    held.set()
    assert await machine.there() == {"n1"}


async def test_a_new_committer_is_found(machine: Machine) -> None:
    """After it was away, items go to the next one."""
    machine.cut()
    assert await machine.put(1) == 1
    async with asyncio.timeout(5):
        while not machine.worker._link.ready:  # type: ignore[union-attr]
            await asyncio.sleep(0.01)
    calls = len(machine.serving.peers)
    assert (calls, await machine.put(2)) == (1, 2)


async def test_who_is_stopping_takes_no_more(machine: Machine) -> None:
    """However much goes on to be asked, it ends; its workers do by themselves what came too late, once."""
    machine.verb.held = asyncio.Event()
    taken = machine.put(1)
    await _until(lambda: machine.verb.calls)
    stopping = asyncio.ensure_future(machine.serving.stop())
    await asyncio.sleep(0)
    late = [machine.put(n, workspace=b"\x02" * 16) for n in range(100, 150)]
    await machine.worker.write(SCOPE, _nothing)
    assert sum(len(peer.open) for peer in machine.serving.peers) == 1
    machine.verb.held.set()
    await stopping
    assert await taken == 1
    assert await asyncio.gather(*late) == list(range(100, 150))
    assert len(await machine.there()) == 51


async def test_stopping_answers_what_was_asked(machine: Machine) -> None:
    """Asked to end, it finishes what it took."""
    waiting = [machine.put(n) for n in range(100, 150)]
    await asyncio.sleep(0.005)
    await machine.serving.stop()
    async with asyncio.timeout(10):
        assert await asyncio.gather(*waiting) == list(range(100, 150))
    assert len(await machine.there()) == 50


async def test_workers_are_told_when_a_crowd_is_in_step(machine: Machine) -> None:
    """Twenty that come together again and again are; lone ones are not."""
    link = machine.worker._link
    assert link is not None

    async def told(several: int) -> bool:
        for n in range(0, 100 * several, several):
            await asyncio.gather(*(machine.put(1000 * several + n + k) for k in range(several)))
            if link._in_step is (several > 1):
                return True
        return False

    assert await told(20)
    assert await told(1)
