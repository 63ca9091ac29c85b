"""Bodies in an object store: written durably, read by range, never in the clear."""

from __future__ import annotations

import asyncio

import pytest

from mailward.adapters.storage.objects.bucket import Bucket
from mailward.adapters.storage.objects.limits import Limits
from mailward.adapters.storage.objects.naming import object_name
from mailward.adapters.storage.objects.place import Place
from mailward.adapters.storage.objects.segments import ObjectSegments
from mailward.adapters.storage.records import Body, open_record
from mailward.base.errors import Corrupt, NotFound
from mailward.core.workspaces.model import DataKey
from tests.adapters.storage.objects.conftest import QUICK, Opener
from tests.adapters.storage.objects.faults import FaultProxy

WS = b"w" * 16


def body(n: int, key: DataKey, content: bytes) -> Body:
    return WS, n.to_bytes(16, "big"), key, content


async def everything(bucket: Bucket) -> dict[str, bytes]:
    """Every object of the bucket, whole."""
    found = {}
    async for entries in bucket.list(""):
        for entry in entries:
            found[entry.name] = await bucket.read(entry.name, 0, entry.size, seconds=10)
    return found


async def test_what_was_appended_is_read_back(objects: ObjectSegments, key: DataKey) -> None:
    """Each body comes back, byte for byte, from where append said it lies."""
    contents = [b"", b"one", b"\x00" * 70_000, "zwölf".encode()]
    refs = await objects.append([body(i, key, c) for i, c in enumerate(contents)])
    assert len({ref.segment for ref in refs}) == 1
    for i, (ref, content) in enumerate(zip(refs, contents, strict=True)):
        record = await objects.read(ref)
        assert open_record(record, WS, i.to_bytes(16, "big"), key) == content


async def test_append_returns_only_after_the_store_answered(
    objects: ObjectSegments, key: DataKey, proxy: FaultProxy, bucket: Bucket
) -> None:
    """When append returns, the object is in the bucket under the name that the reference gives."""
    (ref,) = await objects.append([body(1, key, b"x" * 500)])
    assert await bucket.size(object_name(ref.segment), seconds=5) == ref.length


async def test_a_crowd_shares_objects(open_at: Opener, place: Place, key: DataKey, proxy: FaultProxy) -> None:
    """A thousand messages that arrive together are a few requests, and no more than K at once."""
    objects = open_at(place, limits=Limits(uploads=2, object_bytes=1 << 20))
    refs = await asyncio.gather(*(objects.append([body(i, key, b"m" * 2000)]) for i in range(1000)))
    assert proxy.count("PUT") == 2, "2 MB in objects of at most 1 MiB"
    assert proxy.most_at_once <= 2
    records = await objects.read_many([ref for (ref,) in refs])
    assert all(open_record(r, WS, i.to_bytes(16, "big"), key) == b"m" * 2000 for i, r in enumerate(records))
    assert proxy.count("GET") == 2, "neighbours come in one range"


async def test_groups_gather_while_uploads_are_under_way(
    open_at: Opener, place: Place, key: DataKey, proxy: FaultProxy
) -> None:
    """What arrives while every upload is busy leaves together as the next object; a lone message leaves at once."""
    objects = open_at(place, limits=Limits(uploads=1))
    first = asyncio.create_task(objects.append([body(0, key, b"first")]))
    while proxy.count("PUT") < 1:
        await asyncio.sleep(0)
    rest = [asyncio.create_task(objects.append([body(i, key, b"later")])) for i in range(1, 50)]
    assert proxy.count("PUT") == 1
    await first
    await asyncio.gather(*rest)
    assert proxy.count("PUT") == 2
    assert objects.written.objects == 2
    assert objects.written.records == 50


async def test_a_large_message_goes_alone_and_in_parts(
    objects: ObjectSegments, key: DataKey, proxy: FaultProxy
) -> None:
    """A message larger than an object's bound has an object of its own, uploaded in parts, and comes back whole."""
    large = bytes(range(256)) * (80 << 10)
    refs = await objects.append([body(0, key, b"small"), body(1, key, large), body(2, key, b"small too")])
    assert len({ref.segment for ref in refs}) == 3
    assert any(r.method == "POST" and "uploads" in r.path for r in proxy.requests)
    assert open_record(await objects.read(refs[1]), WS, (1).to_bytes(16, "big"), key) == large


async def test_sealed_memory_is_bounded(open_at: Opener, place: Place, key: DataKey, proxy: FaultProxy) -> None:
    """However many uploads are allowed, sealed content in memory stays below its bound."""
    objects = open_at(place, limits=Limits(uploads=8, object_bytes=100_000, sealed_bytes=250_000))
    await asyncio.gather(*(objects.append([body(i, key, b"z" * 90_000)]) for i in range(20)))
    assert proxy.most_at_once == 2


async def test_a_known_record_is_not_asked_for_again(
    open_at: Opener, place: Place, key: DataKey, proxy: FaultProxy
) -> None:
    """A small record that was read is answered from memory, within the bound; a fresh read asks the store."""
    objects = open_at(place, limits=Limits(cache_bytes=40_000))
    refs = await objects.append([body(i, key, b"c" * 1000) for i in range(60)])
    await objects.read(refs[0])
    await objects.read(refs[0])
    assert proxy.count("GET") == 1
    await objects.read(refs[0], fresh=True)
    assert proxy.count("GET") == 2
    await objects.read_many(refs)
    before = proxy.count("GET")
    await objects.read(refs[0])
    assert proxy.count("GET") == before + 1, "the oldest went when the bound was reached"


async def test_distant_records_are_not_read_over(
    open_at: Opener, place: Place, key: DataKey, proxy: FaultProxy
) -> None:
    """Two records far apart in one object are two ranges; what lies between is not fetched."""
    objects = open_at(place)
    refs = await objects.append([body(0, key, b"a"), body(1, key, b"b" * 500_000), body(2, key, b"c")])
    await objects.read_many([refs[0], refs[2]])
    ranges = [r.headers["range"] for r in proxy.requests if r.method == "GET"]
    assert len(ranges) == 2
    assert all(int(r.split("-")[1]) - int(r.split("=")[1].split("-")[0]) < 1000 for r in ranges)


async def test_a_removed_object_is_not_found(objects: ObjectSegments, key: DataKey, bucket: Bucket) -> None:
    """Reading from an object that retention removed says that the content is no longer kept."""
    (ref,) = await objects.append([body(0, key, b"gone soon")])
    await bucket.remove([object_name(ref.segment)], seconds=5)
    with pytest.raises(NotFound):
        await objects.read(ref)


@pytest.mark.claim("REST-1")
async def test_nothing_in_the_bucket_is_readable(
    objects: ObjectSegments, key: DataKey, bucket: Bucket, place: Place
) -> None:
    """No object, and no name of one, holds a marker or a message's ids in the clear; with its key it is there."""
    marker = b"mwmarker-5f1c-subject"
    contents = [b"Subject: " + marker + b"\r\n\r\n" + bytes([i]) * 9000 for i in range(30)]
    refs = await objects.append([body(i, key, c) for i, c in enumerate(contents)])
    refs += await objects.append([body(99, key, marker * 500_000)])
    stored = await everything(bucket)
    assert len(stored) == 2
    assert sum(map(len, stored.values())) > 10_000_000
    for name, octets in stored.items():
        assert marker not in octets
        assert b"Subject" not in octets
        assert marker.decode() not in name
    assert marker in open_record(await objects.read(refs[3]), WS, (3).to_bytes(16, "big"), key)


async def test_a_record_of_another_message_does_not_open(objects: ObjectSegments, key: DataKey) -> None:
    """A reference that was swapped for another message's does not show that message."""
    mine, other = await objects.append([body(0, key, b"mine"), body(1, key, b"other")])
    with pytest.raises(Corrupt):
        open_record(await objects.read(other), WS, (0).to_bytes(16, "big"), key)
    assert open_record(await objects.read(mine), WS, (0).to_bytes(16, "big"), key) == b"mine"


async def test_without_put_if_absent_a_taken_name_is_still_not_replaced(
    open_at: Opener, bucket_name: str, proxy: FaultProxy, key: DataKey, bucket: Bucket
) -> None:
    """Where the store has no put-if-absent, a name is looked up first and another is taken when it is not free."""
    from tests.adapters.storage.objects.conftest import place_at

    objects = open_at(place_at(bucket_name, proxy.port, put_if_absent=False), limits=QUICK)
    (first,) = await objects.append([body(0, key, b"first")])
    taken = object_name(first.segment + 1)
    await bucket.create(taken, b"somebody's", seconds=5)
    (second,) = await objects.append([body(1, key, b"second")])
    assert object_name(second.segment) != taken
    assert await bucket.holds(taken, b"somebody's", seconds=5)
    assert open_record(await objects.read(second), WS, (1).to_bytes(16, "big"), key) == b"second"
