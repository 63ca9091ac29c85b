"""Removing what no row names, and only that."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from mailward.adapters.storage.objects.bucket import Bucket
from mailward.adapters.storage.objects.naming import object_name
from mailward.adapters.storage.objects.segments import ObjectSegments
from mailward.adapters.storage.objects.sweep import sweep
from mailward.base.errors import Unavailable
from mailward.core.workspaces.model import DataKey
from tests.adapters.storage.objects.faults import FaultProxy, says
from tests.conftest import MovingClock

WS = b"w" * 16


class Rows:
    """Which segments rows name, and what was asked."""

    def __init__(self, *living: int) -> None:
        self.named = set(living)
        self.asked: list[int] = []

    async def living(self, segments: Sequence[int]) -> set[int]:
        self.asked += segments
        return self.named & set(segments)


async def store(objects: ObjectSegments, key: DataKey, n: int) -> list[int]:
    """`n` objects, one after the other."""
    return [(await objects.append([(WS, bytes(16), key, b"content")]))[0].segment for _ in range(n)]


async def names(bucket: Bucket) -> set[str]:
    return {entry.name async for entries in bucket.list("") for entry in entries}


def later(**kw: float) -> datetime:
    """A time after the S3 server's own, which stamps the objects."""
    return datetime.now(UTC) + timedelta(**kw)


async def test_what_no_row_names_goes_and_the_rest_stays(objects: ObjectSegments, key: DataKey, bucket: Bucket) -> None:
    """Orphans and expired objects are removed; an object with one living body stays whole."""
    segments = await store(objects, key, 5)
    rows = Rows(segments[1], segments[4])
    done = await sweep(bucket, rows.living, now=later(hours=25))
    assert (done.seen, done.removed, done.after) == (5, 3, None)
    assert await names(bucket) == {object_name(segments[1]), object_name(segments[4])}
    assert sorted(rows.asked) == sorted(segments)


async def test_what_is_young_is_left_alone(
    objects: ObjectSegments, key: DataKey, bucket: Bucket, clock: MovingClock
) -> None:
    """An object whose row may still be on its way is not even asked about, by name's day and by the store's clock."""
    await store(objects, key, 2)
    rows = Rows()
    # The names say March; the store says that they were written a moment ago.
    assert (await sweep(bucket, rows.living, now=later(hours=23))).removed == 0
    # The store says that they are old enough; the names say today.
    assert (await sweep(bucket, rows.living, now=clock.now() + timedelta(hours=2))).removed == 0
    assert rows.asked == []
    assert len(await names(bucket)) == 2


async def test_a_sweep_goes_on_where_it_stopped(
    objects: ObjectSegments, key: DataKey, bucket: Bucket, clock: MovingClock
) -> None:
    """A sweep looks at so many at most and the next goes on from there, oldest day first."""
    old = await store(objects, key, 3)
    clock.move(days=3)
    new = await store(objects, key, 3)
    rows = Rows()
    first = await sweep(bucket, rows.living, now=later(hours=25), most=4)
    assert (first.removed, first.after is None) == (4, False)
    assert set(rows.asked[:3]) == set(old)
    second = await sweep(bucket, rows.living, now=later(hours=25), after=first.after, most=4)
    assert (second.removed, second.after) == (2, None)
    assert set(rows.asked) == {*old, *new}
    assert await names(bucket) == set()


async def test_strange_names_are_left_alone(objects: ObjectSegments, key: DataKey, bucket: Bucket) -> None:
    """What is not named as ours stays, wherever it lies."""
    await store(objects, key, 1)
    for name in ("segments/20200101/notes.txt", "segments/20200101/000001/0000001.bak", "other/thing"):
        await bucket.create(name, b"theirs", seconds=5)
    done = await sweep(bucket, Rows().living, now=later(hours=25))
    assert (done.removed, done.strange) == (1, 2)
    assert len(await names(bucket)) == 3


async def test_a_database_that_is_away_removes_nothing(objects: ObjectSegments, key: DataKey, bucket: Bucket) -> None:
    """When it cannot be told what lives, everything stays."""
    await store(objects, key, 2)

    async def away(_: Sequence[int]) -> set[int]:
        raise Unavailable("storage_unavailable", "away")

    with pytest.raises(Unavailable):
        await sweep(bucket, away, now=later(hours=25))
    assert len(await names(bucket)) == 2


async def test_a_bucket_that_is_away_is_unavailable(
    objects: ObjectSegments, key: DataKey, bucket: Bucket, proxy: FaultProxy
) -> None:
    """A listing that is refused ends the sweep with an error, not with an empty success."""
    await store(objects, key, 1)
    proxy.always("GET", says("403 Forbidden"))
    with pytest.raises(Unavailable):
        await sweep(bucket, Rows().living, now=later(hours=25))
