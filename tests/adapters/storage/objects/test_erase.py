"""An erased message's ciphertext goes from the object that it shares with others."""

from __future__ import annotations

import asyncio

import pytest

from mailward.adapters.storage.objects.bucket import Bucket
from mailward.adapters.storage.objects.naming import object_name
from mailward.adapters.storage.objects.segments import ObjectSegments
from mailward.adapters.storage.records import HEAD, open_record
from mailward.base.errors import Corrupt, Unavailable
from mailward.core.workspaces.model import DataKey
from tests.adapters.storage.objects.faults import FaultProxy, answer_lost, says

WS = b"w" * 16


def message(n: int) -> bytes:
    return n.to_bytes(16, "big")


async def test_only_the_erased_record_is_overwritten(objects: ObjectSegments, key: DataKey, bucket: Bucket) -> None:
    """Its ciphertext is zeros in the bucket and it no longer opens; its neighbours do."""
    refs = await objects.append([(WS, message(i), key, b"content %d" % i) for i in range(3)])
    before = await objects.read(refs[1])
    await objects.overwrite(WS, message(1), refs[1])
    whole, _ = await bucket.whole(object_name(refs[1].segment), seconds=5)
    assert before[HEAD:] not in whole
    assert whole[refs[1].offset + HEAD :][: refs[1].length - HEAD] == bytes(refs[1].length - HEAD)
    with pytest.raises(Corrupt):
        open_record(await objects.read(refs[1]), WS, message(1), key)
    for i in (0, 2):
        assert open_record(await objects.read(refs[i], fresh=True), WS, message(i), key) == b"content %d" % i


async def test_erasures_beside_each_other_all_happen(objects: ObjectSegments, key: DataKey) -> None:
    """Several erasures in one object at once do not undo each other."""
    refs = await objects.append([(WS, message(i), key, b"c" * 100) for i in range(4)])
    await asyncio.gather(*(objects.overwrite(WS, message(i), refs[i]) for i in range(4)))
    for i in range(4):
        assert not any((await objects.read(refs[i], fresh=True))[HEAD:])


async def test_another_message_s_record_is_left_alone(objects: ObjectSegments, key: DataKey, proxy: FaultProxy) -> None:
    """A reference that does not hold the message's record, or whose object is gone, changes nothing."""
    refs = await objects.append([(WS, message(i), key, b"c" * 100) for i in range(2)])
    await objects.overwrite(WS, message(1), refs[0])
    await objects.overwrite(b"x" * 16, message(0), refs[0])
    assert proxy.count("PUT") == 1
    assert open_record(await objects.read(refs[0], fresh=True), WS, message(0), key) == b"c" * 100
    await objects.bucket.remove([object_name(refs[0].segment)], seconds=5)
    await objects.overwrite(WS, message(0), refs[0])


async def test_an_erasure_without_an_answer_is_done_again(
    objects: ObjectSegments, key: DataKey, proxy: FaultProxy
) -> None:
    """A store that is away makes the erasure Unavailable; doing it again is right whether or not it happened."""
    (ref,) = await objects.append([(WS, message(1), key, b"c" * 100)])
    for fault in (answer_lost, says("503 Slow Down")):
        proxy.then("PUT", fault)
        try:
            await objects.overwrite(WS, message(1), ref)
        except Unavailable:
            await objects.overwrite(WS, message(1), ref)
    assert not any((await objects.read(ref, fresh=True))[HEAD:])
