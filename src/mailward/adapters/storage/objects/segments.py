"""The bodies of one process in a bucket: written, read, overwritten."""

from __future__ import annotations

from collections.abc import Sequence

from mailward.adapters.storage.objects.bucket import Bucket, open_bucket
from mailward.adapters.storage.objects.erase import overwrite
from mailward.adapters.storage.objects.limits import Limits
from mailward.adapters.storage.objects.place import Place, check_place
from mailward.adapters.storage.objects.reader import RangedReader, Read
from mailward.adapters.storage.objects.writer import SegmentUploads, Written
from mailward.adapters.storage.records import Body, BodyRef
from mailward.base.sources import Clock, Entropy


class ObjectSegments:
    """The bodies of one process in a bucket. Belongs to the running event loop; create it after forking."""

    def __init__(self, bucket: Bucket, *, writer: int, clock: Clock, entropy: Entropy, limits: Limits) -> None:
        self.bucket = bucket
        self._writer = SegmentUploads(bucket, writer=writer, clock=clock, entropy=entropy, limits=limits)
        self._reader = RangedReader(bucket, entropy=entropy, limits=limits)

    async def append(self, bodies: Sequence[Body | bytes]) -> list[BodyRef]:
        """Seal (workspace, message id, data key, content), unless sealed, and store; where each lies, once durable.

        Or Unavailable.
        """
        return await self._writer.append(bodies)

    async def read(self, ref: BodyRef, *, fresh: bool = False) -> bytes:
        """The sealed record; `fresh` asks the store again. NotFound, Corrupt or Unavailable."""
        return await self._reader.read(ref, fresh=fresh)

    async def read_many(self, refs: Sequence[BodyRef]) -> list[bytes]:
        """Records in the order asked for, neighbours in one request."""
        return await self._reader.read_many(refs)

    async def overwrite(self, workspace: bytes, message: bytes, ref: BodyRef) -> None:
        """Put zeros in place of an erased message's ciphertext; twice does no harm. Unavailable: do it again."""
        self._reader.forget(ref)
        await overwrite(self.bucket, ref, workspace, message)

    @property
    def written(self) -> Written:
        """Counts of what was written."""
        return self._writer.written

    @property
    def was_read(self) -> Read:
        """Counts of what was read."""
        return self._reader.done

    async def close(self) -> None:
        """Finish what is under way and what waits."""
        await self._writer.close()
        await self._reader.close()


def open_objects(
    place: Place, *, writer: int, clock: Clock, entropy: Entropy, limits: Limits | None = None
) -> ObjectSegments:
    """Bodies at a place, written by the process that drew the number `writer`. PlaceError when it may not be used."""
    bucket = open_bucket(check_place(place))
    return ObjectSegments(bucket, writer=writer, clock=clock, entropy=entropy, limits=limits or Limits())
