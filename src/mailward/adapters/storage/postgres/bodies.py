"""Bodies on their way to where they last: grouped while an upload is under way, several uploads beside each other."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from mailward.adapters.storage.postgres.waiting import Job
from mailward.adapters.storage.records import Body, BodyRef, octets_of
from mailward.base.errors import Unavailable

# Of one group: enough to make a request worth it, small enough that a lone message beside it does not wait for long.
_MAX_BODIES = 512
_MAX_OCTETS = 16 << 20


class BodyStore(Protocol):
    """Where bodies lie. `append` takes them to be sealed or sealed already (bytes) and returns when each is durable;
    Unavailable means that no row may name any.
    """

    async def append(self, bodies: Sequence[Body | bytes]) -> list[BodyRef]: ...

    async def read(self, ref: BodyRef) -> bytes:
        """The sealed record; NotFound when it is no longer kept."""
        ...

    async def overwrite(self, workspace: bytes, message: bytes, ref: BodyRef) -> None:
        """Make the record of an erased message unreadable where it lies. Doing it twice does no harm."""
        ...

    async def close(self) -> None: ...


class Uploads:
    """Makes the bodies of jobs durable, then passes the jobs on with `(item, BodyRef)`; or answers them Unavailable."""

    def __init__(self, store: BodyStore, onward: Callable[[Job], None], *, parallel: int) -> None:
        self._store = store
        self._onward = onward
        self._parallel = parallel
        self._waiting: deque[Job] = deque()
        self._running = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def put(self, job: Job) -> None:
        """Take a job with a body."""
        self._waiting.append(job)
        if self._running < self._parallel:
            # Started at the end of this turn of the loop: what arrives together goes together.
            self._running += 1
            task = asyncio.get_running_loop().create_task(self._run())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self) -> None:
        try:
            while self._waiting:
                await self._upload(self._gather())
        finally:
            # In the same breath as the last look: who puts a job after it starts another run.
            self._running -= 1

    async def _upload(self, jobs: list[Job]) -> None:
        try:
            refs = await self._store.append([j.body for j in jobs])
        except BaseException as e:
            for job in jobs:
                job.error = _own(e)
                job.answer()
            if isinstance(e, asyncio.CancelledError):
                raise
            return
        for job, ref in zip(jobs, refs, strict=True):
            job.item = (job.item, ref)
            job.body = None
            self._onward(job)

    def _gather(self) -> list[Job]:
        jobs = [self._waiting.popleft()]
        octets = octets_of(jobs[0].body)
        while self._waiting and len(jobs) < _MAX_BODIES:
            octets += octets_of(self._waiting[0].body)
            if octets > _MAX_OCTETS:
                break
            jobs.append(self._waiting.popleft())
        return jobs

    async def close(self) -> None:
        """Finish what waits, then close the store."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._store.close()


def _own(error: BaseException) -> BaseException:
    """An error object for each caller, where there are many."""
    if type(error) is Unavailable:
        return Unavailable(error.code, error.public, detail=error.detail)
    if isinstance(error, asyncio.CancelledError):
        return Unavailable("stopping", "The server is stopping; please try again.", detail="upload cut off")
    return error
