"""Reading bodies: neighbours in one ranged request, each checked, a few remembered.

Readers that ask in the same turn of the loop, or while all requests are under way, are gathered
by segment: a sender that takes up a hundred messages of one object makes one request.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from mailward.adapters.storage.objects.bucket import Absent, Bucket, Denied, Trouble, Unclear
from mailward.adapters.storage.objects.limits import Limits
from mailward.adapters.storage.objects.naming import object_name
from mailward.adapters.storage.objects.upload import backoff
from mailward.adapters.storage.records import BodyRef, read_head
from mailward.base.errors import Corrupt, MailwardError, NotFound, Unavailable
from mailward.base.sources import Entropy


@dataclass(slots=True)
class Read:
    """What a process has read since it started."""

    requests: int = 0
    records: int = 0
    cached: int = 0
    """Records answered from memory."""


class RangedReader:
    """Reads records of one process. Belongs to the running event loop."""

    def __init__(self, bucket: Bucket, *, entropy: Entropy, limits: Limits) -> None:
        self._bucket = bucket
        self._entropy = entropy
        self._limits = limits
        self._cache: OrderedDict[BodyRef, bytes] = OrderedDict()
        self._cache_bytes = 0
        self._asked: dict[BodyRef, asyncio.Future[bytes]] = {}
        self._waiting: dict[int, list[BodyRef]] = {}
        self._requests: set[asyncio.Task[None]] = set()
        self._soon = False
        self.done = Read()

    async def read(self, ref: BodyRef, *, fresh: bool = False) -> bytes:
        """The sealed record; `fresh` asks the store again, for a record that did not open.

        NotFound when the object is gone, Corrupt when what came back is no record of that
        length, twice; Unavailable when the store gave no answer in time.
        """
        if fresh:
            self.forget(ref)
        elif (known := self._cache.get(ref)) is not None:
            self._cache.move_to_end(ref)
            self.done.cached += 1
            return known
        if (asked := self._asked.get(ref)) is None:
            asked = self._asked[ref] = asyncio.get_running_loop().create_future()
            self._waiting.setdefault(ref.segment, []).append(ref)
            self._wake()
        # Others may wait for the same record: one that leaves does not take it from them.
        return await asyncio.shield(asked)

    async def read_many(self, refs: Sequence[BodyRef]) -> list[bytes]:
        """Records in the order asked for; raises what the first that failed raised."""
        return list(await asyncio.gather(*(self.read(ref) for ref in refs)))

    async def close(self) -> None:
        """Let requests under way end; answer whoever still waits."""
        while self._requests or self._waiting:
            self._start()
            if self._requests:
                await asyncio.wait(self._requests)

    # -- gathering ----------------------------------------------------------------------------

    def _wake(self) -> None:
        if not self._soon:
            self._soon = True
            asyncio.get_running_loop().call_soon(self._start)

    def _start(self) -> None:
        self._soon = False
        while self._waiting and len(self._requests) < self._limits.readers:
            segment = next(iter(self._waiting))
            run, rest = _first_run(self._waiting[segment], self._limits)
            if rest:
                self._waiting[segment] = rest
            else:
                del self._waiting[segment]
            task = asyncio.create_task(self._fetch(run))
            self._requests.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._requests.discard(task)
        self._start()

    # -- fetching -----------------------------------------------------------------------------

    async def _fetch(self, run: list[BodyRef]) -> None:
        """Answer every reader of a run. What came back broken is asked for once more, alone."""
        try:
            broken = await self._range(run)
            for ref in broken:
                if await self._range([ref]):
                    self._fail(
                        ref, Corrupt("content_corrupt", _CORRUPT, detail=f"record of {object_name(ref.segment)}")
                    )
        except Exception as e:
            for ref in run:
                self._fail(ref, _told(e))

    async def _range(self, run: list[BodyRef]) -> list[BodyRef]:
        start, end = run[0].offset, max(ref.offset + ref.length for ref in run)
        data = await self._octets(run[0].segment, start, end)
        broken = []
        for ref in run:
            record = data[ref.offset - start : ref.offset - start + ref.length]
            if _whole(record, ref.length):
                self._answer(ref, record)
            else:
                broken.append(ref)
        return broken

    async def _octets(self, segment: int, start: int, end: int) -> bytes:
        clock = asyncio.get_running_loop().time
        limits, name, attempts = self._limits, object_name(segment), 0
        deadline = clock() + limits.read_deadline + limits.seconds_for(end - start)
        while True:
            attempts += 1
            self.done.requests += 1
            seconds = max(0.001, min(deadline - clock(), limits.attempt + limits.seconds_for(end - start)))
            try:
                return await self._bucket.read(name, start, end, seconds=seconds)
            except Unclear as e:
                pause = backoff(attempts, limits, self._entropy)
                if clock() + pause >= deadline:
                    raise
                if "416" in str(e):
                    await self._not_too_short(name, start, deadline)
            await asyncio.sleep(pause)

    async def _not_too_short(self, name: str, start: int, deadline: float) -> None:
        """A range behind the end is refused with a status that the client gives as text only: look at the size."""
        left = deadline - asyncio.get_running_loop().time()
        try:
            size = await self._bucket.size(name, seconds=max(0.001, min(left, self._limits.attempt)))
        except Unclear:
            return
        if size <= start:
            raise Corrupt("content_corrupt", _CORRUPT, detail=f"{name} has {size} octets")

    def _answer(self, ref: BodyRef, record: bytes) -> None:
        self.done.records += 1
        future = self._asked.pop(ref, None)
        if future is not None and not future.done():
            future.set_result(record)
        if len(record) > self._limits.cache_bytes // 16:
            return
        self.forget(ref)
        self._cache[ref] = record
        self._cache_bytes += len(record)
        while self._cache_bytes > self._limits.cache_bytes:
            self.forget(next(iter(self._cache)))

    def _fail(self, ref: BodyRef, error: MailwardError) -> None:
        future = self._asked.pop(ref, None)
        if future is not None and not future.done():
            future.set_exception(error)
            # Whoever asked may have left; that is no error of the loop's.
            future.exception()

    def forget(self, ref: BodyRef) -> None:
        """Remember a record no longer."""
        record = self._cache.pop(ref, None)
        if record is not None:
            self._cache_bytes -= len(record)


_CORRUPT = "The stored content failed its check."


def _whole(record: bytes, length: int) -> bool:
    """Whether this reads like one record of that length. Only opening it proves every octet."""
    head = read_head(record)
    return head is not None and head.length == length == len(record)


def _first_run(refs: list[BodyRef], limits: Limits) -> tuple[list[BodyRef], list[BodyRef]]:
    """Neighbours worth one request, from the lowest offset on, and those left over."""
    ordered = sorted(refs, key=lambda ref: ref.offset)
    start, end = ordered[0].offset, ordered[0].offset + ordered[0].length
    count = 1
    for ref in ordered[1:]:
        if ref.offset - end > limits.gap or ref.offset + ref.length - start > limits.range_bytes:
            break
        end = max(end, ref.offset + ref.length)
        count += 1
    return ordered[:count], ordered[count:]


def _told(error: Exception) -> MailwardError:
    match error:
        case MailwardError():
            return error
        case Absent():
            return NotFound("content_gone", "The content of this message is no longer kept.", detail=str(error))
        case Denied() | Trouble():
            text = f"object store: {type(error).__name__}: {error}"
        case _:
            text = f"object store: {type(error).__name__}"
    return Unavailable("storage_unavailable", "The content cannot be read now; please try again later.", detail=text)
