"""One object, durable or not at all: attempts, pauses, and what a lost answer may mean.

An attempt without an answer may have happened. The next attempt on the same name then finds it
taken; the object is read back, and when it is ours to the last octet the answer was all that was
lost. When the deadline passes first, the object counts as not stored: no row will ever name it,
its name is not used again, and `sweep` removes it if it did arrive.
"""

from __future__ import annotations

import asyncio

from mailward.adapters.storage.objects.bucket import Absent, Bucket, Denied, Taken, Trouble, Unclear
from mailward.adapters.storage.objects.limits import Limits
from mailward.base.errors import Unavailable
from mailward.base.sources import Entropy


class NameTaken(Exception):
    """Another object has this name. The caller chooses another."""


async def create_durably(
    bucket: Bucket, name: str, data: bytes, *, deadline: float, limits: Limits, entropy: Entropy
) -> int:
    """Store `data` under `name` before `deadline` (the running loop's time); returns how many attempts it took.

    Raises NameTaken, or Unavailable: then nothing may be taken as stored.
    """
    clock = asyncio.get_running_loop().time
    attempts = 0
    while True:
        attempts += 1
        left = deadline - clock()
        try:
            if left <= 0:
                raise Unclear("no time left")
            seconds = min(left, limits.attempt + limits.seconds_for(len(data)))
            await _once(bucket, name, data, seconds=seconds, limits=limits, deadline=deadline)
            return attempts
        except Denied as e:
            raise away(e, attempts) from e
        except Trouble as e:
            pause = backoff(attempts, limits, entropy)
            if clock() + pause >= deadline:
                raise away(e, attempts) from e
        await asyncio.sleep(pause)


async def _once(bucket: Bucket, name: str, data: bytes, *, seconds: float, limits: Limits, deadline: float) -> None:
    try:
        await bucket.create(name, data, seconds=seconds)
    except Taken:
        left = max(deadline - asyncio.get_running_loop().time(), 0.001)
        try:
            ours = await bucket.holds(name, data, seconds=min(left, limits.attempt + limits.seconds_for(len(data))))
        except Absent as e:
            # A conflict with an attempt of ours that the store was still working on.
            raise Unclear("taken, then absent") from e
        if not ours:
            raise NameTaken(name) from None


def backoff(attempts: int, limits: Limits, entropy: Entropy) -> float:
    """Seconds until the next attempt: part of a time that doubles, by chance, so that nodes do not return at once."""
    longest = min(limits.backoff * 2.0 ** (attempts - 1), limits.longest_backoff)
    return longest * (0.5 + int.from_bytes(entropy.bytes(2), "big") / 131_072)


def away(error: Trouble, attempts: int) -> Unavailable:
    """What the caller is told when the object store did not take a body."""
    return Unavailable(
        "storage_unavailable",
        "The message could not be stored now; please try again later.",
        detail=f"object store, {attempts} attempts: {type(error).__name__}: {error}",
    )
