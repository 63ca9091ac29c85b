"""The committing process on PostgreSQL, and a worker's link to it: what is committed for whom, and what if one dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

    async def insert(self, tx: Sql, items: list[tuple[int, Any]]) -> list[Any]:
        """Some numbers are errors."""
        self.calls.append(len(items))
        out: list[Any] = []
        for n, body in items:
            if n == 13:
                out.append(Odd())
            elif n == 14:
                out.append(Conflict("taken", "It is taken.", detail="by another"))
            else:
                ref = body if body is not None else BodyRef(0, 0, 0)
                await tx.outside("INSERT INTO counters(name, value) VALUES ($1,$2)", f"n{n}", ref.segment)
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

    def put(self, n: int, content: bytes = b"x") -> asyncio.Future[Any]:
        return self.worker.write_item(self.verb.insert, WS, n, body=(n.to_bytes(16, "big"), KEY, content))

    async def there(self) -> set[str]:
        async def verb(tx: Sql) -> set[str]:
            return {r[0] for r in await tx.rows("SELECT name FROM counters WHERE name LIKE 'n%'")}

        return await self.worker.system_read(verb)

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


async def test_when_the_committer_dies_nothing_is_lost_or_done_twice(machine: Machine) -> None:
    """Its transaction commits although nobody hears of it: the worker finds what is there and does the rest."""
    machine.verb.held = asyncio.Event()
    first = [machine.put(n) for n in range(1000, 1010)]
    async with asyncio.timeout(5):
        while not machine.verb.calls:
            await asyncio.sleep(0.01)
    waiting = [*first, *(machine.put(n) for n in range(1010, 1100))]
    machine.cut()
    await asyncio.sleep(0.1)
    # The worker now waits for the rows of the transaction that was under way, as it would for that of a dead process.
    machine.verb.held.set()
    async with asyncio.timeout(10):
        assert await asyncio.gather(*waiting) == list(range(1000, 1100))
    assert await machine.there() == {f"n{n}" for n in range(1000, 1100)}


async def test_what_a_dead_worker_asked_for_is_not_begun(machine: Machine) -> None:
    """A worker that is gone was told nothing: what waits of it must not happen behind its successor's back."""
    machine.verb.held = asyncio.Event()
    machine.put(1)
    async with asyncio.timeout(5):
        while not machine.verb.calls:
            await asyncio.sleep(0.01)
    machine.put(2)
    async with asyncio.timeout(5):
        while sum(len(peer.open) for peer in machine.serving.peers) < 2:
            await asyncio.sleep(0.01)
    machine.worker._link._alone = lambda *asked: None  # type: ignore[union-attr]  # nobody is left who would ask again
    machine.cut()
    await asyncio.sleep(0.05)
    machine.verb.held.set()
    await machine.committing.write(SCOPE, _nothing)
    await asyncio.sleep(0.2)
    assert await machine.there() <= {"n1"}


async def _nothing(tx: Sql) -> None:
    await tx.rows("SELECT 1")


async def test_a_new_committer_is_found(machine: Machine) -> None:
    """After it was away, items go to the next one."""
    machine.cut()
    assert await machine.put(1) == 1
    async with asyncio.timeout(5):
        while not machine.worker._link.ready:  # type: ignore[union-attr]
            await asyncio.sleep(0.01)
    calls = len(machine.serving.peers)
    assert (calls, await machine.put(2)) == (1, 2)


async def test_stopping_answers_what_was_asked(machine: Machine) -> None:
    """Asked to end, it finishes what it took."""
    waiting = [machine.put(n) for n in range(100, 150)]
    await asyncio.sleep(0.005)
    await machine.serving.stop()
    async with asyncio.timeout(10):
        assert await asyncio.gather(*waiting) == list(range(100, 150))
    assert len(await machine.there()) == 50
