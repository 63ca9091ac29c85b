"""Where bodies lie, for a move: sealed records out of one place, and into another as they are."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mailward.adapters.storage.records import BodyRef, read_head, record_key
from mailward.adapters.storage.sqlite.segments import SegmentWriter, read_record
from mailward.base.errors import Corrupt, NotFound, Unavailable
from mailward.base.sources import Clock, Entropy
from mailward.core.workspaces.model import day_of

if TYPE_CHECKING:
    from mailward.adapters.storage.objects.bucket import Bucket
    from mailward.adapters.storage.objects.limits import Limits

_READ_AT_ONCE = 64


class Bodies(Protocol):
    """A place of bodies."""

    place: str
    """Where, for people; equal for two that are the same place."""

    async def read(self, refs: Sequence[BodyRef]) -> list[bytes | None]:
        """The sealed records, in order; None for one that is not there, or of which only a part is."""
        ...

    async def append(self, records: Sequence[bytes]) -> list[BodyRef]:
        """Keep sealed records; where each lies, once durable. Unavailable when they could not be kept."""
        ...

    async def close(self) -> None: ...


class FolderBodies:
    """Segment files of a data folder."""

    def __init__(self, folder: Path, *, writer: int | None, entropy: Entropy) -> None:
        """`writer`: a worker number that nobody else has, for a place that is written to."""
        self.place = str(folder.resolve())
        self._folder = folder
        self._segments = None if writer is None else SegmentWriter(folder, writer, entropy)

    async def read(self, refs: Sequence[BodyRef]) -> list[bytes | None]:
        """From the files."""
        return [self._read(ref) for ref in refs]

    def _read(self, ref: BodyRef) -> bytes | None:
        try:
            record = read_record(self._folder, ref)
        except NotFound:
            return None
        head = read_head(record)
        return record if head is not None and head.length == ref.length == len(record) else None

    async def append(self, records: Sequence[bytes]) -> list[BodyRef]:
        """At the end of the open segment; each day has segments of its own, so that they can go with its content."""
        assert self._segments is not None
        refs: list[BodyRef] = []
        for _, some in groupby(records, key=lambda record: record_key(record)[0]):
            refs += self._segments.append(list(some))
        return refs

    async def close(self) -> None:
        """Give back what was preallocated."""
        if self._segments is not None:
            self._segments.close()


class BucketBodies:
    """Objects of a bucket, each with the records of several messages."""

    def __init__(
        self, bucket: Bucket, *, place: str, writer: int, clock: Clock, entropy: Entropy, limits: Limits
    ) -> None:
        """`writer`: a number drawn from the database, so that no two name an object alike."""
        from mailward.adapters.storage.objects.reader import RangedReader

        self.place = place
        self._bucket = bucket
        self._writer = writer
        self._clock = clock
        self._entropy = entropy
        self._limits = limits
        self._counter = int.from_bytes(entropy.bytes(3), "big")
        self._reader = RangedReader(bucket, entropy=entropy, limits=limits)

    async def read(self, refs: Sequence[BodyRef]) -> list[bytes | None]:
        """Neighbours in one request. Asked of the store each time, not of memory."""
        out: list[bytes | None] = []
        for at in range(0, len(refs), _READ_AT_ONCE):
            for ref in refs[at : at + _READ_AT_ONCE]:
                self._reader.forget(ref)
            out += await asyncio.gather(*(self._read(ref) for ref in refs[at : at + _READ_AT_ONCE]))
        return out

    async def _read(self, ref: BodyRef) -> bytes | None:
        try:
            return await self._reader.read(ref)
        except (NotFound, Corrupt):
            return None

    async def append(self, records: Sequence[bytes]) -> list[BodyRef]:
        """In objects of a few megabytes, several on their way at once."""
        groups = _groups(records, self._limits.object_bytes)
        uploads = asyncio.Semaphore(self._limits.uploads)

        async def upload(group: list[bytes]) -> list[BodyRef]:
            async with uploads:
                return await self._upload(group)

        return [ref for refs in await asyncio.gather(*map(upload, groups)) for ref in refs]

    async def _upload(self, group: list[bytes]) -> list[BodyRef]:
        from mailward.adapters.storage.objects.naming import COUNTERS, object_name, segment_number
        from mailward.adapters.storage.objects.upload import NameTaken, create_durably

        data, limits = b"".join(group), self._limits
        for _ in range(4):
            self._counter = (self._counter + 1) % COUNTERS
            segment = segment_number(day_of(self._clock.now()), self._writer, self._counter)
            deadline = asyncio.get_running_loop().time() + limits.deadline + limits.seconds_for(len(data))
            try:
                await create_durably(
                    self._bucket,
                    object_name(segment),
                    data,
                    deadline=deadline,
                    limits=limits,
                    entropy=self._entropy,
                )
            except NameTaken:
                continue
            refs, offset = [], 0
            for record in group:
                refs.append(BodyRef(segment, offset, len(record)))
                offset += len(record)
            return refs
        raise Unavailable("storage_unavailable", "The bucket holds other objects under our names.")

    async def close(self) -> None:
        """Let requests under way end."""
        await self._reader.close()


def _groups(records: Sequence[bytes], most: int) -> list[list[bytes]]:
    """Runs of records that share an object; one larger than that is alone."""
    groups: list[list[bytes]] = []
    size = 0
    for record in records:
        if not groups or size + len(record) > most:
            groups.append([])
            size = 0
        groups[-1].append(record)
        size += len(record)
    return groups
