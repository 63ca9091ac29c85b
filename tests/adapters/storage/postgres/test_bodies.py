"""Bodies on their way: no job is left behind between two uploads, and groups stay within their size."""

from __future__ import annotations

import asyncio
from typing import Any

from mailward.adapters.storage.postgres.bodies import Uploads
from mailward.adapters.storage.postgres.waiting import Job
from mailward.adapters.storage.records import Body, BodyRef
from mailward.base.errors import Unavailable


class Slow:
    """A place that answers when told to."""

    def __init__(self) -> None:
        self.groups: list[int] = []
        self.go: asyncio.Event = asyncio.Event()
        self.error: BaseException | None = None

    async def append(self, bodies: Any) -> list[BodyRef]:
        given: list[Body] = list(bodies)
        self.groups.append(len(given))
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return [BodyRef(1, n, 1) for n in range(len(given))]

    async def read(self, ref: BodyRef) -> bytes:
        raise NotImplementedError

    async def overwrite(self, workspace: bytes, message: bytes, ref: BodyRef) -> None:
        raise NotImplementedError

    async def close(self) -> None: ...


def job(size: int = 1) -> Job:
    return Job(
        len, b"w" * 16, size, (b"w" * 16, b"m" * 16, None, bytes(size)), asyncio.get_running_loop().create_future(), 0.0
    )


async def test_what_arrives_during_an_upload_goes_with_the_next() -> None:
    """Ten jobs of one turn are one group; those that come while it is under way are the next."""
    slow, done = Slow(), list[Job]()
    uploads = Uploads(slow, done.append, parallel=1)
    for _ in range(10):
        uploads.put(job())
    await asyncio.sleep(0)
    for _ in range(5):
        uploads.put(job())
    slow.go.set()
    await uploads.close()
    assert slow.groups == [10, 5]
    assert len(done) == 15


async def test_no_job_is_left_behind_as_a_run_ends() -> None:
    """A job put in the very turn in which the last upload ends is taken up, whenever in that turn it comes."""
    slow, done = Slow(), list[Job]()
    slow.go.set()

    def onward(one: Job) -> None:
        done.append(one)
        if len(done) < 50:
            # As a caller does whose future resolved: from a callback that runs beside the ending task's own.
            asyncio.get_running_loop().call_soon(uploads.put, job())

    uploads = Uploads(slow, onward, parallel=1)
    uploads.put(job())
    for _ in range(1000):
        await asyncio.sleep(0)
    assert len(done) == 50


async def test_a_group_is_bounded_by_octets() -> None:
    """Large bodies do not share a group beyond its size; one larger than that goes alone."""
    slow, done = Slow(), list[Job]()
    slow.go.set()
    uploads = Uploads(slow, done.append, parallel=1)
    for size in (20 << 20, 9 << 20, 9 << 20, 1):
        uploads.put(job(size))
    await uploads.close()
    assert slow.groups == [1, 1, 2]


async def test_each_caller_gets_an_error_of_its_own() -> None:
    """A place that is away answers every job with Unavailable, and the next group is tried afresh."""
    slow, done = Slow(), list[Job]()
    slow.go.set()
    slow.error = Unavailable("storage_unavailable", "Try again.")
    uploads = Uploads(slow, done.append, parallel=1)
    refused = [job(), job()]
    for one in refused:
        uploads.put(one)
    await asyncio.sleep(0.01)
    errors = [one.future.exception() for one in refused]
    assert [type(e) for e in errors] == [Unavailable, Unavailable]
    assert errors[0] is not errors[1]
    slow.error = None
    uploads.put(job())
    await uploads.close()
    assert len(done) == 1
