"""Overwriting one record in an object that others live in.

An object is never changed in place: it is read, the record's nonce and ciphertext become zeros,
and the whole is stored again under the same name, on condition that nobody did the same
meanwhile. Where a bucket keeps old versions, its own rules must let them go; destroying the data
key is what makes content unreadable there.
"""

from __future__ import annotations

from mailward.adapters.storage.objects.bucket import Absent, Bucket, Taken, Trouble
from mailward.adapters.storage.objects.naming import object_name
from mailward.adapters.storage.records import HEAD, BodyRef, read_head
from mailward.base.errors import Unavailable

_SECONDS = 60.0
# Each lost race means that another erasure in this object went through.
_TRIES = 10


async def overwrite(bucket: Bucket, ref: BodyRef, workspace: bytes, message: bytes) -> None:
    """Write zeros over a record's nonce and ciphertext; its head (ids and day) stays until the object goes.

    Nothing happens when the object is gone or another record lies there. Raises Unavailable
    when the store did not answer: it is unknown then, and to be done again.
    """
    name = object_name(ref.segment)
    start, end = ref.offset + HEAD, ref.offset + ref.length
    try:
        for _ in range(_TRIES):
            try:
                octets, version = await bucket.whole(name, seconds=_SECONDS)
            except Absent:
                return
            head = read_head(octets[ref.offset : ref.offset + HEAD])
            if head is None or (head.workspace, head.message, head.length) != (workspace, message, ref.length):
                return
            if not any(octets[start:end]):
                return
            cleared = octets[:start] + bytes(end - start) + octets[end:]
            try:
                await bucket.replace(name, cleared, version, seconds=_SECONDS)
            except Taken:
                continue
            return
    except Trouble as e:
        raise Unavailable(
            "storage_unavailable", "The object store is away.", detail=f"overwrite: {type(e).__name__}: {e}"
        ) from e
    raise Unavailable("storage_unavailable", "The object store is busy.", detail=f"{name} keeps changing")
