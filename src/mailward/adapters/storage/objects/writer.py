"""Writing bodies: what arrives while uploads are under way becomes the next object.

No timer holds a lone message back: it leaves at once while fewer than `Limits.uploads` are under
way. The busier the process, the more messages share an object and so a request.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from mailward.adapters.storage.objects.bucket import Bucket
from mailward.adapters.storage.objects.limits import Limits
from mailward.adapters.storage.objects.naming import COUNTERS, WRITERS, object_name, segment_number
from mailward.adapters.storage.objects.upload import NameTaken, create_durably
from mailward.adapters.storage.records import Body, BodyRef, octets_of, seal_records
from mailward.base.errors import Unavailable
from mailward.base.sources import Clock, Entropy
from mailward.core.workspaces.model import day_of

# Names of ours that are found taken before we give up: each try is elsewhere among 2^26.
_NAMES = 4
# Sealing this much takes about a millisecond: above it, a thread does it while the loop goes on.
_SEAL_ON_LOOP = 1 << 20


@dataclass(slots=True)
class Written:
    """What a process has written since it started."""

    objects: int = 0
    records: int = 0
    octets: int = 0
    attempts: int = 0
    failed: int = 0
    """Groups of which nothing was stored."""


@dataclass(slots=True, eq=False)
class _Piece:
    """Bodies of one append that go into the same object."""

    bodies: Sequence[Body | bytes]
    size: int
    deadline: float
    done: asyncio.Future[list[BodyRef]] = field(repr=False)


class SegmentUploads:
    """Gathers the bodies of one process into objects. Belongs to the running event loop."""

    def __init__(self, bucket: Bucket, *, writer: int, clock: Clock, entropy: Entropy, limits: Limits) -> None:
        if not 0 <= writer < WRITERS:
            raise ValueError(f"writer {writer} is not below {WRITERS}")
        self._bucket = bucket
        self._writer = writer
        self._clock = clock
        self._entropy = entropy
        self._limits = limits
        self._counter = self._anywhere()
        self._waiting: deque[_Piece] = deque()
        self._waiting_bytes = 0
        self._sealed_bytes = 0
        self._uploads: set[asyncio.Task[None]] = set()
        self._soon = False
        self._closed = False
        self.written = Written()

    async def append(self, bodies: Sequence[Body | bytes]) -> list[BodyRef]:
        """Seal (workspace, message id, data key, content), unless sealed, and store; where, in order, once durable.

        Unavailable when they could not be stored in time or too much waits already: then no
        row may name them, and some may lie in the bucket as orphans until `sweep`.
        """
        if self._closed:
            raise Unavailable("stopping", "The server is stopping; please try again.", detail="objects closed")
        loop = asyncio.get_running_loop()
        pieces = [_piece(part, loop, self._limits) for part in _parts(bodies, self._limits.object_bytes)]
        size = sum(p.size for p in pieces)
        if self._waiting and self._waiting_bytes + size > self._limits.waiting_bytes:
            raise Unavailable(
                "storage_busy",
                "The message could not be stored now; please try again later.",
                detail=f"{self._waiting_bytes} octets wait for the object store",
            )
        self._waiting.extend(pieces)
        self._waiting_bytes += size
        self._wake()
        try:
            if len(pieces) == 1:
                return await _in_time(pieces[0])
            return [ref for found in await asyncio.gather(*(_in_time(p) for p in pieces)) for ref in found]
        finally:
            # One part failed or the caller left: the others need not be waited for.
            for piece in pieces:
                piece.done.cancel()

    async def close(self) -> None:
        """Take no more; return when everything that waits was answered."""
        self._closed = True
        while self._uploads or self._waiting:
            self._start()
            if self._uploads:
                await asyncio.wait(self._uploads)

    # -- gathering ----------------------------------------------------------------------------

    def _wake(self) -> None:
        # Not at once: all that arrives in this turn of the loop shares the first object.
        if not self._soon:
            self._soon = True
            asyncio.get_running_loop().call_soon(self._start)

    def _start(self) -> None:
        self._soon = False
        while self._waiting and len(self._uploads) < self._limits.uploads:
            group = self._take()
            if not group:
                break
            task = asyncio.create_task(self._upload(group))
            self._uploads.add(task)
            task.add_done_callback(self._ended)

    def _take(self) -> list[_Piece]:
        """The next object's pieces; none while memory has no room for them."""
        group: list[_Piece] = []
        total = 0
        while self._waiting:
            piece = self._waiting[0]
            if not piece.done.done():
                if group and total + piece.size > self._limits.object_bytes:
                    break
                if self._uploads and self._sealed_bytes + total + piece.size > self._limits.sealed_bytes:
                    break
                group.append(piece)
                total += piece.size
            self._waiting.popleft()
            self._waiting_bytes -= piece.size
        self._sealed_bytes += total
        return group

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._uploads.discard(task)
        self._start()

    # -- uploading ----------------------------------------------------------------------------

    async def _upload(self, group: list[_Piece]) -> None:
        try:
            segment, lengths = await self._store([body for piece in group for body in piece.bodies], group)
        except Exception as e:
            self.written.failed += 1
            for piece in group:
                if not piece.done.done():
                    piece.done.set_exception(_apart(e))
            return
        finally:
            self._sealed_bytes -= sum(piece.size for piece in group)
        offset = at = 0
        for piece in group:
            refs = []
            for length in lengths[at : at + len(piece.bodies)]:
                refs.append(BodyRef(segment, offset, length))
                offset += length
            at += len(piece.bodies)
            if not piece.done.done():
                piece.done.set_result(refs)

    async def _store(self, bodies: list[Body | bytes], group: list[_Piece]) -> tuple[int, list[int]]:
        if sum(piece.size for piece in group) > _SEAL_ON_LOOP:
            data, lengths = await asyncio.to_thread(seal_records, bodies, self._entropy)
        else:
            data, lengths = seal_records(bodies, self._entropy)
        deadline = max(piece.deadline for piece in group)
        for _ in range(_NAMES):
            segment = self._next()
            try:
                self.written.attempts += await create_durably(
                    self._bucket,
                    object_name(segment),
                    data,
                    deadline=deadline,
                    limits=self._limits,
                    entropy=self._entropy,
                )
            except NameTaken:
                self._counter = self._anywhere()
                continue
            self.written.objects += 1
            self.written.records += len(lengths)
            self.written.octets += len(data)
            return segment, lengths
        raise Unavailable(
            "storage_unavailable",
            "The message could not be stored now; please try again later.",
            detail=f"names of writer {self._writer} are taken: does another process use this number?",
        )

    def _next(self) -> int:
        self._counter = (self._counter + 1) % COUNTERS
        return segment_number(day_of(self._clock.now()), self._writer, self._counter)

    def _anywhere(self) -> int:
        return int.from_bytes(self._entropy.bytes(4), "big") % COUNTERS


def _parts(bodies: Sequence[Body | bytes], largest: int) -> list[Sequence[Body | bytes]]:
    """Runs of bodies that fit into one object together; a body larger than that is alone."""
    parts: list[Sequence[Body | bytes]] = []
    start = size = 0
    for i, body in enumerate(bodies):
        own = octets_of(body)
        if i > start and size + own > largest:
            parts.append(bodies[start:i])
            start, size = i, 0
        size += own
    if len(bodies) > start:
        parts.append(bodies[start:])
    return parts


def _piece(bodies: Sequence[Body | bytes], loop: asyncio.AbstractEventLoop, limits: Limits) -> _Piece:
    size = sum(map(octets_of, bodies))
    return _Piece(bodies, size, loop.time() + limits.deadline + limits.seconds_for(size), loop.create_future())


async def _in_time(piece: _Piece) -> list[BodyRef]:
    try:
        async with asyncio.timeout_at(piece.deadline):
            return await piece.done
    except TimeoutError as e:
        raise Unavailable(
            "storage_unavailable",
            "The message could not be stored now; please try again later.",
            detail="object store: no answer before the deadline",
        ) from e


def _apart(error: Exception) -> Exception:
    """Each caller gets an exception object of its own."""
    if isinstance(error, Unavailable):
        return Unavailable(error.code, error.public, detail=error.detail)
    return Unavailable(
        "storage_unavailable",
        "The message could not be stored now; please try again later.",
        detail=f"object store: {type(error).__name__}",
    )
