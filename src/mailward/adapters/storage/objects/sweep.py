"""Removing objects that no row names: bodies past their retention, and orphans of uploads that were not in time.

Both are the same question, put to the database: which of these segments does a row still name?
What it does not name goes, once it is older than the grace in which a row may still be on its
way. Erasure does not wait for this: destroying a data key makes its records unreadable at once,
in copies and old versions of the bucket too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mailward.adapters.storage.objects.bucket import Bucket, Entry, Trouble
from mailward.adapters.storage.objects.naming import FOLDER, day_folder, segment_of
from mailward.adapters.storage.objects.probe import PROBES
from mailward.base.errors import Unavailable
from mailward.core.workspaces.model import day_of

Living = Callable[[Sequence[int]], Awaitable[set[int]]]
"""Of these segments, those that a row with content still names; asked outside of any workspace."""

# Longer than any append, transaction and clock between nodes can differ by; orphans cost little meanwhile.
GRACE = timedelta(hours=24)
_BATCH = 1000
_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did. `after` is where the next one goes on; None when it came to the end."""

    seen: int
    removed: int
    octets: int
    strange: int
    """Objects in our folder whose names are not ours; left alone."""
    after: str | None


async def sweep(
    bucket: Bucket, living: Living, *, now: datetime, after: str | None = None, most: int = 100_000
) -> Swept:
    """Remove what no row names among the objects that are older than the grace, oldest day first.

    Looks at `most` objects at most; give `after` of the last answer to go on. Removing again
    what is gone is no error, so a sweep may be broken off anywhere. Raises Unavailable when
    the object store is away; what `living` raises goes through, and nothing is removed on it.
    """
    oldest_kept = now - GRACE
    stop = day_folder(day_of(oldest_kept) + 1)
    seen = removed = octets = strange = 0
    try:
        async for entries in bucket.list(FOLDER, after=after, chunk=_BATCH):
            known: dict[int, Entry] = {}
            for entry in entries:
                if entry.name >= stop or seen >= most:
                    break
                seen += 1
                after = entry.name
                segment = segment_of(entry.name)
                if segment is None:
                    strange += 1
                elif entry.modified < oldest_kept:
                    known[segment] = entry
            if known:
                kept = await living(list(known))
                gone = [entry for segment, entry in known.items() if segment not in kept]
                if gone:
                    await bucket.remove([entry.name for entry in gone], seconds=_SECONDS)
                    removed += len(gone)
                    octets += sum(entry.size for entry in gone)
            if entries and entries[-1].name >= stop:
                break
            if seen >= most:
                return Swept(seen, removed, octets, strange, after)
        await _old_probes(bucket, oldest_kept)
    except Trouble as e:
        raise Unavailable(
            "storage_unavailable", "The object store is away.", detail=f"sweep: {type(e).__name__}: {e}"
        ) from e
    return Swept(seen, removed, octets, strange, None)


async def _old_probes(bucket: Bucket, oldest_kept: datetime) -> None:
    """What a `doctor` left that was broken off."""
    async for entries in bucket.list(PROBES, chunk=_BATCH):
        if old := [entry.name for entry in entries if entry.modified < oldest_kept]:
            await bucket.remove(old, seconds=_SECONDS)
