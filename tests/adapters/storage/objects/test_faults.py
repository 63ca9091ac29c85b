"""What goes wrong on the way to the object store: nothing is lost, nothing is half, everyone is answered in time."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from mailward.adapters.storage.objects.bucket import Bucket
from mailward.adapters.storage.objects.limits import Limits
from mailward.adapters.storage.objects.naming import object_name
from mailward.adapters.storage.objects.place import Place
from mailward.adapters.storage.objects.segments import ObjectSegments
from mailward.adapters.storage.records import Body, open_record
from mailward.base.errors import Corrupt, Unavailable
from mailward.core.workspaces.model import DataKey
from tests.adapters.storage.objects.conftest import QUICK, Opener
from tests.adapters.storage.objects.faults import (
    SLOW_DOWN,
    Fault,
    FaultProxy,
    answer_lost,
    corrupt,
    cut,
    flipped,
    late,
    never,
    says,
)

WS = b"w" * 16


def body(n: int, key: DataKey, content: bytes = b"content " * 100) -> Body:
    return WS, n.to_bytes(16, "big"), key, content


async def names(bucket: Bucket) -> list[str]:
    return [entry.name async for entries in bucket.list("") for entry in entries]


@pytest.mark.parametrize(
    "fault",
    [
        says("500 Internal Server Error"),
        says("503 Slow Down", SLOW_DOWN),
        says("409 Conflict"),
        cut,
        never,
        answer_lost,
        late(1.3),
    ],
    ids=["500", "SlowDown", "conflict", "cut", "no answer", "answer lost", "answer too late"],
)
async def test_one_failure_is_got_over(
    objects: ObjectSegments, key: DataKey, proxy: FaultProxy, bucket: Bucket, fault: Fault
) -> None:
    """A PUT that fails once in any way is tried again under the same name, and the body is stored once."""
    proxy.then("PUT", fault)
    (ref,) = await objects.append([body(1, key)])
    assert open_record(await objects.read(ref), WS, (1).to_bytes(16, "big"), key) == b"content " * 100
    await asyncio.sleep(0.5)
    assert await names(bucket) == [object_name(ref.segment)]


async def test_a_connection_cut_inside_a_put_is_got_over(
    objects: ObjectSegments, key: DataKey, proxy: FaultProxy, bucket: Bucket
) -> None:
    """A connection that breaks in the middle of a body leaves nothing; the next attempt stores all of it."""
    proxy.cut_body_of = "PUT"
    (ref,) = await objects.append([body(1, key, b"q" * 600_000)])
    assert await bucket.size(object_name(ref.segment), seconds=5) == ref.length
    assert proxy.count("PUT") == 2


async def test_an_answer_lost_is_found_by_name(objects: ObjectSegments, key: DataKey, proxy: FaultProxy) -> None:
    """When the store kept an object whose answer was lost, it is read back, compared, and not stored twice."""
    proxy.then("PUT", answer_lost)
    await objects.append([body(1, key)])
    assert [r.method for r in proxy.requests] == ["PUT", "PUT", "GET"]
    assert objects.written.objects == 1


async def test_an_answer_lost_after_parts_is_found_by_name(
    objects: ObjectSegments, key: DataKey, proxy: FaultProxy
) -> None:
    """A large message whose last answer was lost is found whole, and not uploaded again."""
    proxy.then("POST", late(0), answer_lost)
    (ref,) = await objects.append([body(1, key, b"p" * (17 << 20))])
    assert sum("uploads" in r.path for r in proxy.requests if r.method == "POST") == 1
    assert ref.length > 17 << 20


async def test_something_else_under_our_name_is_never_taken_for_ours(
    objects: ObjectSegments, key: DataKey, proxy: FaultProxy, bucket: Bucket
) -> None:
    """A name that another object has is left to it; the body is stored under another name."""
    (first,) = await objects.append([body(1, key)])
    taken = object_name(first.segment + 1)
    await bucket.create(taken, b"x" * first.length, seconds=5)
    (ref,) = await objects.append([body(2, key)])
    assert object_name(ref.segment) != taken
    assert await bucket.holds(taken, b"x" * first.length, seconds=5)
    assert open_record(await objects.read(ref), WS, (2).to_bytes(16, "big"), key)


@pytest.mark.parametrize(
    "fault",
    [says("503 Slow Down", SLOW_DOWN), cut, never],
    ids=["SlowDown", "cut", "no answer"],
)
async def test_a_store_that_stays_away_is_told_in_time(
    open_at: Opener, place: Place, key: DataKey, proxy: FaultProxy, fault: Fault
) -> None:
    """When every attempt fails, all callers hear Unavailable within the deadline, and later messages are stored."""
    objects = open_at(place, limits=replace(QUICK, deadline=1.5, uploads=2))
    proxy.always("PUT", fault)
    began = time.monotonic()
    results = await asyncio.gather(*(objects.append([body(i, key)]) for i in range(30)), return_exceptions=True)
    assert all(isinstance(r, Unavailable) for r in results)
    assert len({id(r) for r in results}) == 30, "each caller has an exception of its own"
    assert time.monotonic() - began < 6
    proxy.always("PUT", None)
    assert await objects.append([body(99, key)])


async def test_nobody_listening_is_unavailable(open_at: Opener, place: Place, key: DataKey) -> None:
    """A refused connection is a store that is away."""
    away = replace(place, endpoint="http://127.0.0.1:9", plaintext=("127.0.0.1:9",))
    with pytest.raises(Unavailable):
        await open_at(away, limits=replace(QUICK, deadline=0.3)).append([body(1, key)])


@pytest.mark.parametrize("status", ["403 Forbidden", "401 Unauthorized", "404 Not Found"])
async def test_a_refusal_is_not_tried_again(
    objects: ObjectSegments, key: DataKey, proxy: FaultProxy, status: str
) -> None:
    """Wrong credentials or a missing bucket end at once, for us to mend; the client is told to come back."""
    proxy.then("PUT", says(status))
    with pytest.raises(Unavailable):
        await objects.append([body(1, key)])
    assert proxy.count("PUT") == 1


async def test_an_upload_given_up_is_never_named(
    open_at: Opener, place: Place, key: DataKey, proxy: FaultProxy, bucket: Bucket
) -> None:
    """An object that arrives after its caller was told no keeps its name for itself: no later body is found there."""
    objects = open_at(place, limits=replace(QUICK, deadline=1.5, attempt=1.5))
    proxy.then("PUT", late(2.0))
    with pytest.raises(Unavailable):
        await objects.append([body(1, key)])
    (ref,) = await objects.append([body(2, key)])
    for _ in range(500):
        if len(await names(bucket)) == 2:
            break
        await asyncio.sleep(0.02)
    assert len(await names(bucket)) == 2, "the orphan arrived"
    assert open_record(await objects.read(ref), WS, (2).to_bytes(16, "big"), key)


async def test_too_much_waiting_is_told_at_once(open_at: Opener, place: Place, key: DataKey, proxy: FaultProxy) -> None:
    """When the store cannot keep up, memory stays bounded: who comes now is sent away at once."""
    objects = open_at(place, limits=replace(QUICK, uploads=1, object_bytes=50_000, waiting_bytes=100_000))
    proxy.always("PUT", late(0.2))
    results = await asyncio.gather(
        *(objects.append([body(i, key, b"w" * 40_000)]) for i in range(10)), return_exceptions=True
    )
    busy = [r for r in results if isinstance(r, Unavailable)]
    assert {r.code for r in busy} == {"storage_busy"}
    assert 0 < len(busy) < 10


async def test_a_caller_that_leaves_does_not_take_others_along(
    open_at: Opener, place: Place, key: DataKey, proxy: FaultProxy
) -> None:
    """A cancelled append ends alone; bodies that share its object are stored."""
    objects = open_at(place, limits=replace(QUICK, uploads=1))
    proxy.then("PUT", late(0.1))
    tasks = [asyncio.create_task(objects.append([body(i, key)])) for i in range(3)]
    await asyncio.sleep(0.02)
    tasks[1].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[1], asyncio.CancelledError)
    assert isinstance(results[0], list)
    assert isinstance(results[2], list)
    assert open_record(await objects.read(results[2][0]), WS, (2).to_bytes(16, "big"), key)


@pytest.mark.parametrize(
    "fault",
    [says("500 Internal Server Error"), cut, never, corrupt],
    ids=["500", "cut", "no answer", "corrupt"],
)
async def test_a_read_that_fails_once_is_got_over(
    objects: ObjectSegments, key: DataKey, proxy: FaultProxy, fault: Fault
) -> None:
    """A range that fails or comes back broken is asked for again."""
    refs = await objects.append([body(i, key) for i in range(5)])
    proxy.then("GET", fault)
    records = await objects.read_many(refs)
    assert [open_record(r, WS, i.to_bytes(16, "big"), key) for i, r in enumerate(records)] == [b"content " * 100] * 5


async def test_a_range_that_stays_broken_is_corrupt(objects: ObjectSegments, key: DataKey, proxy: FaultProxy) -> None:
    """What comes back broken twice is never served."""
    (ref,) = await objects.append([body(1, key)])
    proxy.always("GET", corrupt)
    with pytest.raises(Corrupt):
        await objects.read(ref)


async def test_one_wrong_octet_does_not_open(objects: ObjectSegments, key: DataKey, proxy: FaultProxy) -> None:
    """A record with one wrong octet fails its check when opened, and a fresh read brings the right one."""
    (ref,) = await objects.append([body(1, key)])
    proxy.then("GET", flipped)
    with pytest.raises(Corrupt):
        open_record(await objects.read(ref), WS, (1).to_bytes(16, "big"), key)
    assert open_record(await objects.read(ref, fresh=True), WS, (1).to_bytes(16, "big"), key)


async def test_an_object_that_was_cut_short_is_corrupt(objects: ObjectSegments, key: DataKey, bucket: Bucket) -> None:
    """An object that somebody shortened is reported as corrupt, where its end is missing and behind its end."""
    first, second = await objects.append([body(1, key), body(2, key)])
    name = object_name(first.segment)
    whole = await bucket.read(name, 0, 10_000, seconds=5)
    await bucket.remove([name], seconds=5)
    await bucket.create(name, whole[: first.length - 10], seconds=5)
    for ref in (first, second):
        with pytest.raises(Corrupt):
            await objects.read(ref)


async def test_a_store_away_for_reading_is_unavailable(
    open_at: Opener, place: Place, key: DataKey, proxy: FaultProxy
) -> None:
    """While the store is away, readers hear Unavailable in time; content is not reported as gone."""
    objects = open_at(place, limits=replace(QUICK, read_deadline=0.5))
    (ref,) = await objects.append([body(1, key)])
    proxy.always("GET", never)
    with pytest.raises(Unavailable):
        await objects.read(ref)


async def test_a_bucket_that_is_not_there_says_nothing_of_its_objects(
    objects: ObjectSegments, open_at: Opener, place: Place, key: DataKey
) -> None:
    """A misspelt name, or a bucket that was moved: what is kept in it is not gone, it cannot be had now."""
    (ref,) = await objects.append([body(1, key, b"x")])
    elsewhere = open_at(replace(place, url="s3://not-there/mail/one"))
    with pytest.raises(Unavailable):
        await elsewhere.read(ref)
    assert await objects.read(ref)


async def test_closing_finishes_what_waits(open_at: Opener, place: Place, key: DataKey, proxy: FaultProxy) -> None:
    """Close returns when everything that was appended has its answer; afterwards nothing is taken."""
    objects = open_at(place, limits=Limits(uploads=1))
    proxy.then("PUT", late(0.1))
    tasks = [asyncio.create_task(objects.append([body(i, key)])) for i in range(5)]
    await asyncio.sleep(0)
    await objects.close()
    assert all(isinstance(r, list) for r in await asyncio.gather(*tasks))
    with pytest.raises(Unavailable):
        await objects.append([body(9, key)])
