"""The committing process and a worker's link to it: answers, errors, and what happens when either end dies."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mailward.adapters.storage.committing.door import listen
from mailward.adapters.storage.committing.frames import (
    IN_STEP,
    MAX_RECORD,
    NIL,
    Answer,
    Entry,
    SharedVerb,
    Unframer,
    frame,
    pack,
)
from mailward.adapters.storage.records import BodyRef, open_record
from mailward.adapters.storage.sqlite.committer import Committer
from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.adapters.storage.sqlite.segments import DataKey, read_record
from mailward.adapters.storage.sqlite.tx import SqliteTx
from mailward.base import ids
from mailward.base.errors import Conflict, Unavailable
from mailward.base.sources import Entropy
from mailward.core.messages.model import FACTS_ENCODER, MessageFacts

KEY = bytes(range(32))
DATA_KEY = DataKey(1, 1, AESGCM(bytes(32)))
WS = b"a" * 16
SCOPE = ids.encode("ws", WS)
FACTS = FACTS_ENCODER.encode(MessageFacts("api", "key", "d.test", "a@d.test", "a@d.test", "b@x.test", "s", "<m>", 1))


class Odd(Unavailable):
    """An error that is made without arguments."""

    def __init__(self) -> None:
        super().__init__("odd", "Odd.")


async def insert(tx: SqliteTx, items: list[tuple[int, Any]]) -> list[Any]:
    """Record numbers as messages; some numbers are errors."""
    out: list[Any] = []
    for n, body in items:
        if n == 13:
            out.append(Odd())
        elif n == 14:
            out.append(Conflict("taken", "It is taken.", detail="by another"))
        else:
            ref = (None, None, None) if body is None else (body.segment, body.offset, body.length)
            await tx.messages.insert([(n.to_bytes(16, "big"), 1, *ref, FACTS)])
            out.append(n)
    return out


async def inserted(tx: SqliteTx, items: list[int]) -> list[int | None]:
    """Those that are there."""
    return [n if await tx.messages.get(n.to_bytes(16, "big")) is not None else None for n in items]


SHARED = SharedVerb("insert", insert, int, int, inserted, True)


class Running:
    """A committer on a thread, as its process would run it; `die` is its kill -9."""

    def __init__(
        self, folder: Path, entropy: Entropy, worker: int = 8000, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.path = folder.parent / "run" / "commit.sock"
        self.listener = listen(self.path)
        self.stop = False
        self.committer = Committer(folder, KEY, [SHARED], worker=worker, entropy=entropy, monotonic=monotonic)
        self.thread = threading.Thread(target=self.committer.serve, args=(self.listener, lambda: self.stop))
        self.thread.start()

    def die(self) -> None:
        """Stop serving at once, whatever is under way."""
        self.stop = True
        for peer in list(self.committer._peers.values()):
            peer.sock.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()
        self.committer.close()


@pytest.fixture
def running(store: SqliteStore, tmp_path: Path, entropy: Entropy) -> Iterator[Running]:
    made = Running(tmp_path / "data", entropy)
    yield made
    if not made.stop:
        made.die()


@pytest.fixture
async def linked(store: SqliteStore, running: Running) -> SqliteStore:
    await store.join_committer(running.path, [SHARED], errors=(Odd,))
    assert store._link is not None and store._link.ready
    return store


def put(store: SqliteStore, n: int, content: bytes = b"x") -> asyncio.Future[Any]:
    return store.write_item(insert, WS, n, body=(n.to_bytes(16, "big"), DATA_KEY, content))


async def count(store: SqliteStore) -> int:
    async def look(tx: SqliteTx) -> int:
        return len(tx.rows("SELECT id FROM t_messages"))

    return await store.system_read(look)


async def test_items_of_a_worker_are_committed_for_it(linked: SqliteStore) -> None:
    """Each gets its own result, the rows are there, and the body opens."""
    results = await asyncio.gather(*(put(linked, n, b"body %d" % n) for n in range(100, 400)))
    assert results == list(range(100, 400))

    async def look(tx: SqliteTx) -> Any:
        return await tx.messages.get((250).to_bytes(16, "big"))

    message = await linked.read(SCOPE, look)
    record = read_record(linked.segment_folder, BodyRef(*message.body))
    assert open_record(record, WS, (250).to_bytes(16, "big"), DATA_KEY) == b"body 250"
    assert message.body[0] >> 32 == 8000


async def test_errors_come_back_as_what_they_were(linked: SqliteStore) -> None:
    """A refused item fails alone, with its own kind of error, code and text."""
    results: Any = await asyncio.gather(put(linked, 1), put(linked, 13), put(linked, 14), return_exceptions=True)
    fine, odd, taken = results
    assert fine == 1
    assert isinstance(odd, Odd)
    assert isinstance(taken, Conflict) and (taken.code, taken.public) == ("taken", "It is taken.")


async def test_a_large_body_does_not_travel(linked: SqliteStore) -> None:
    """What is larger than a frame should be is committed by its own process."""
    assert await put(linked, 5, bytes(MAX_RECORD + 1)) == 5

    async def look(tx: SqliteTx) -> Any:
        return await tx.messages.get((5).to_bytes(16, "big"))

    assert (await linked.read(SCOPE, look)).body[0] >> 32 == 0


async def test_when_the_committer_dies_nothing_is_lost_or_done_twice(linked: SqliteStore, running: Running) -> None:
    """Items on the way when it dies are committed once: by it, or by the worker itself."""
    waiting = [put(linked, n) for n in range(1000, 1500)]
    await asyncio.sleep(0)
    running.die()
    assert await asyncio.gather(*waiting) == list(range(1000, 1500))
    assert await count(linked) == 500
    assert await put(linked, 2000) == 2000


async def test_a_new_committer_is_found(
    linked: SqliteStore, running: Running, tmp_path: Path, entropy: Entropy
) -> None:
    """After it was away, items go to the next one."""
    running.die()
    assert await put(linked, 1) == 1
    again = Running(tmp_path / "data", entropy)
    try:
        async with asyncio.timeout(5):
            while not linked._link.ready:  # type: ignore[union-attr]
                await asyncio.sleep(0.01)
        assert await put(linked, 2) == 2
    finally:
        await linked.close()
        again.die()


async def test_a_socket_without_a_committer_is_not_waited_for(
    linked: SqliteStore, running: Running, tmp_path: Path, entropy: Entropy
) -> None:
    """The supervisor keeps the socket while it restarts the committer: meanwhile the worker commits by itself."""
    running.die()
    kept = listen(running.path)
    await asyncio.sleep(0.5)
    assert not linked._link.ready  # type: ignore[union-attr]
    async with asyncio.timeout(5):
        assert await put(linked, 1) == 1
    await linked.close()
    kept.close()


async def test_what_a_dead_worker_asked_for_is_not_done(running: Running, store: SqliteStore) -> None:
    """A worker that is gone was told nothing, so what it had sent must not happen behind its successor's back."""
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(running.path))
    whole = frame([Entry(1, "insert", WS, pack(77), None)])
    sock.sendall(whole[:-1])
    sock.close()
    await asyncio.sleep(0)
    assert await count(store) == 0
    running.die()


def test_frames_survive_any_cutting() -> None:
    """Frames come out whole and in order however the stream is cut."""
    stream = frame([Answer(1, NIL, None), Answer(2, NIL, None)]) + frame([Answer(3, NIL, None)])
    for size in (1, 2, 3, 5, 7, 100):
        unframer = Unframer.answers()
        seen = [a.number for i in range(0, len(stream), size) for a in unframer.feed(stream[i : i + size])]
        assert seen == [1, 2, 3]


def test_frames_are_read_from_memory_that_is_used_again() -> None:
    """Bodies are kept, and so is what arrived of a frame that is not whole; items are to be decoded at once."""
    memory = bytearray(1 << 16)
    entries = [Entry(n, "insert", WS, pack(n), bytes([n]) * 3000) for n in range(1, 9)]
    stream = bytes(frame(entries[:3])) + bytes(frame(entries[3:]))
    for size in (1, 7, 4096, len(stream)):
        unframer = Unframer.entries()
        seen = []
        for at in range(0, len(stream), size):
            piece = stream[at : at + size]
            memory[: len(piece)] = piece
            for entry in unframer.feed(memoryview(memory)[: len(piece)]):
                seen.append((entry.number, msgspec.msgpack.decode(entry.item), entry.record))
            memory[:] = b"\xff" * len(memory)
        assert seen == [(n, n, bytes([n]) * 3000) for n in range(1, 9)]


class Still:
    """A steady clock that stands until it is moved, and says how often it was looked at."""

    def __init__(self) -> None:
        self.now = 100.0
        self.looks = 0

    def __call__(self) -> float:
        self.looks += 1
        return self.now

    async def looked_at(self, times: int) -> None:
        """Returns when the committer has looked again so often."""
        until = self.looks + times
        async with asyncio.timeout(30):
            while self.looks < until:
                await asyncio.sleep(0.001)


async def test_a_commit_waits_for_half_of_a_crowd_or_a_moment(
    store: SqliteStore, tmp_path: Path, entropy: Entropy
) -> None:
    """Of forty senders a few wait and many do not; and one that comes alone later waits for nobody."""
    clock = Still()
    running = Running(tmp_path / "data", entropy, monotonic=clock)
    try:
        await store.join_committer(running.path, [SHARED], errors=(Odd,))
        await asyncio.gather(*(put(store, n) for n in range(100, 140)))
        some = [put(store, n) for n in range(200, 205)]
        await clock.looked_at(20)
        assert not any(s.done() for s in some)
        await asyncio.gather(*some, *(put(store, n) for n in range(205, 225)))
        last = put(store, 300)
        await clock.looked_at(5)
        assert not last.done()
        clock.now += 0.01
        assert await last == 300
    finally:
        running.die()


async def test_workers_are_told_when_a_crowd_is_in_step(linked: SqliteStore, running: Running) -> None:
    """Twenty that come together again and again are, and one that joins later hears it at once; lone ones are not."""
    link = linked._link
    assert link is not None

    async def told(several: int) -> bool:
        for n in range(0, 100 * several, several):
            await asyncio.gather(*(put(linked, 1000 * several + n + k) for k in range(several)))
            if link._in_step is (several > 1):
                return True
        return False

    assert await told(20)
    with socket.socket(socket.AF_UNIX) as further:
        further.connect(str(running.path))
        further.settimeout(30)
        (word,) = Unframer.answers().feed(further.recv(1000))
    assert word == Answer(IN_STEP, pack(True), None)
    assert await told(1)
