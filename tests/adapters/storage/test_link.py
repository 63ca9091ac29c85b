"""When a worker's items leave for the committing process: at once, or together when a crowd is in step."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mailward.adapters.storage.committing.crowd import TRIED_AGAIN
from mailward.adapters.storage.committing.frames import (
    GREETING,
    IN_STEP,
    Answer,
    Entry,
    SharedVerb,
    Unframer,
    frame,
    pack,
)
from mailward.adapters.storage.committing.link import CommitterLink
from mailward.base.sources import Entropy
from mailward.core.workspaces.model import DataKey

WS = b"a" * 16
KEY = DataKey(1, 1, AESGCM(bytes(32)))


async def insert(tx: Any, items: list[Any]) -> Sequence[Any]:
    """Never run here."""
    raise AssertionError


SHARED = SharedVerb("insert", insert, int, int, insert, True)


class Other:
    """The committing process: keeps the numbers of each frame that arrived, and answers when it is told to."""

    def __init__(self) -> None:
        self.frames: list[list[int]] = []
        self.came = asyncio.Event()
        self.writer: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.say(Answer(GREETING, pack(7), None))
        unframer = Unframer.entries()
        try:
            while head := await reader.readexactly(4):
                entries: list[Entry] = unframer.feed(head + await reader.readexactly(int.from_bytes(head, "big")))
                self.frames.append([e.number for e in entries])
                self.came.set()
        except asyncio.IncompleteReadError:
            pass

    def say(self, *answers: Answer) -> None:
        assert self.writer is not None
        self.writer.write(frame(answers))

    def in_step(self, yes: bool) -> None:
        self.say(Answer(IN_STEP, pack(yes), None))

    async def frame(self) -> list[int]:
        """The next frame that arrives, or has arrived."""
        async with asyncio.timeout(10):
            while not self.frames:
                self.came.clear()
                await self.came.wait()
        return self.frames.pop(0)


class Worker:
    """A link, with whoever speaks to the worker, and what had to be committed alone."""

    def __init__(self, path: Path, entropy: Entropy) -> None:
        self.speaking = True
        self.alone: list[Any] = []
        self.link = CommitterLink(
            path, [SHARED], entropy, lambda *job: self.alone.append(job[2]), speaking=lambda: self.speaking
        )

    def put(self, n: int, content: bytes = b"x") -> asyncio.Future[Any]:
        future = asyncio.get_running_loop().create_future()
        assert self.link.offer(insert, WS, n, (WS, n.to_bytes(16, "big"), KEY, content), future)
        return future

    async def told(self, yes: bool) -> None:
        """The other end's word has arrived."""
        async with asyncio.timeout(10):
            while self.link._in_step is not yes:
                await asyncio.sleep(0)


@pytest.fixture
async def other(tmp_path: Path) -> AsyncIterator[Other]:
    made = Other()
    server = await asyncio.start_unix_server(made.serve, tmp_path / "commit.sock")
    yield made
    if made.writer is not None:
        made.writer.close()
    server.close()


@pytest.fixture
async def worker(other: Other, tmp_path: Path, entropy: Entropy) -> AsyncIterator[Worker]:
    made = Worker(tmp_path / "commit.sock", entropy)
    assert await made.link.first(10)
    yield made
    await made.link.close()


async def test_what_nobody_waits_for_goes_at_once(worker: Worker, other: Other) -> None:
    """Items of one turn share a frame, those of the next have their own."""
    waiting = [worker.put(n) for n in (1, 2)]
    assert await other.frame() == [1, 2]
    waiting.append(worker.put(3))
    assert await other.frame() == [3]
    other.say(*(Answer(n, pack(10 * n), None) for n in (1, 2, 3)))
    assert await asyncio.gather(*waiting) == [10, 20, 30]


@pytest.fixture
def forever(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is held waits for as long as it takes."""
    monkeypatch.setattr("mailward.adapters.storage.committing.link.PATIENCE", 3600.0)


async def test_a_crowd_in_step_goes_together(worker: Worker, other: Other, forever: None) -> None:
    """The first starts the others off; they wait for the last one who speaks."""
    other.in_step(True)
    await worker.told(True)
    worker.put(1)
    assert await other.frame() == [1]
    for n in (2, 3, 4):
        worker.put(n)
        await asyncio.sleep(0)
    assert other.frames == []
    worker.link.hushed()
    assert await other.frame() == [2, 3, 4]


async def test_nobody_is_held_for_long(worker: Worker, other: Other) -> None:
    """Somebody speaks on: after a moment it goes, and for a while nobody is held; then for twice as long."""
    other.in_step(True)
    await worker.told(True)
    held = []
    for n in range(1, 120):
        worker.put(n)
        if worker.link._holding is not None:
            held.append(n)
        assert await other.frame() == [n]
    assert held == [2, 3 + TRIED_AGAIN, 4 + 3 * TRIED_AGAIN]


async def test_who_has_nobody_to_wait_for_goes_at_once(worker: Worker, other: Other, forever: None) -> None:
    """In step, but nobody speaks; or a large body, which takes its time; or it is over."""
    other.in_step(True)
    await worker.told(True)
    worker.speaking = False
    worker.put(1)
    assert await other.frame() == [1]
    worker.put(2)
    assert await other.frame() == [2]
    worker.speaking = True
    worker.put(3)
    worker.put(4, bytes(256 * 1024))
    assert worker.link._holding is None
    assert await other.frame() == [3, 4]
    other.in_step(False)
    await worker.told(False)
    worker.put(5)
    assert worker.link._holding is None
    assert await other.frame() == [5]


async def test_what_was_held_when_the_other_end_died_is_not_lost(worker: Worker, other: Other, forever: None) -> None:
    """It is committed by the worker itself, and a new connection begins without being in step."""
    other.in_step(True)
    await worker.told(True)
    for n in (1, 2, 3):
        worker.put(n)
        await asyncio.sleep(0)
    assert other.writer is not None
    first = other.writer
    first.transport.abort()
    async with asyncio.timeout(10):
        while len(worker.alone) < 3:
            await asyncio.sleep(0.001)
        while not worker.link.ready:
            await asyncio.sleep(0.001)
    assert worker.alone == [1, 2, 3]
    other.frames.clear()
    assert worker.link._in_step is False
    worker.put(4)
    worker.put(5)
    assert await other.frame() == [4, 5]
