"""The sender of one worker: takes what its own submission edge just accepted, and what is due in the store.

A message accepted here was recorded as leased to this worker, so its way out needs no
second look at the queue; whatever does not fit in memory waits in the store and is
leased from there. Work starts round the workspaces, so that a crowded one does not keep
the others waiting; and however long others' servers take to answer it, a place and some room
are left for the rest.

While a crowd hands in messages, what a commit made safe is sent once this worker's clients have
all handed over their next ones: both processors then have work while that is committed.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Protocol

from mailward.base.errors import Unavailable
from mailward.core.delivery.attempt import Beside
from mailward.core.delivery.model import Settled, Work


class Attempts(Protocol):
    """Makes one try; never raises for what the world does. What `beside` kept is not returned."""

    async def attempt(self, work: Work, beside: Beside | None = None) -> list[Settled]: ...


Lease = Callable[[int, frozenset[bytes]], Awaitable[list[Work]]]
"""At most so many copies, of none of these workspaces."""
# A commit whose answer is lost ends, one way or the other, within less.
_CERTAIN_SECONDS = 60.0

HandBack = Callable[[frozenset[bytes], float], Awaitable[object]]
Settle = Callable[[bytes, list[Settled]], Awaitable[object]]


# Times that an outcome is written again after a failure that is not the store's absence: some six seconds.
_UNFORESEEN = 6

# Times that `lasting` believes in one attempt.
_HANGS = 60
# Destination domains of one message that are spoken with at once.
_AT_ONCE = 10
# A try that lasts so long waits for somebody else's machine, and no longer takes a place of those that go on.
_SLOW_SECONDS = 5.0
# How many tries may be under way with the slow ones, in places; and how many of one workspace.
_WITH_SLOW = 5.0
_OF_ONE = 2.5
# The part of the places that each workspace has, whoever took the rest.
_OWN = 50
# The part of the memory that one workspace may take.
_SHARE = 0.75
# Messages accepted in one turn of the event loop from which on we speak of a crowd; and for how many seconds at most
# they wait until its clients are quiet.
_CROWD = 3
_TALK_SECONDS = 0.012


class _Beside:
    """Implements `core.delivery.attempt.Beside`: so many transactions of one work at once."""

    def __init__(self, ended: Callable[[list[Settled]], Awaitable[None]]) -> None:
        self._ended = ended
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._tasks: list[asyncio.Task[None]] = []

    async def begin(self, sending: Coroutine[None, None, list[Settled]]) -> None:
        """See the port."""
        await self._room.acquire()
        self._tasks.append(asyncio.get_running_loop().create_task(self._one(sending)))

    async def _one(self, sending: Coroutine[None, None, list[Settled]]) -> None:
        try:
            await self._ended(await sending)
        finally:
            self._room.release()

    async def over(self) -> None:
        """See the port."""
        for found in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(found, BaseException):
                raise found


class Sender:
    """Bounded in memory (messages and bytes) and in concurrency; `start` and `drain` frame its life."""

    def __init__(
        self,
        *,
        attempts: Attempts,
        lease: Lease,
        hand_back: HandBack,
        monotonic: Callable[[], float],
        settle: Settle,
        concurrency: int,
        memory_messages: int,
        memory_bytes: int,
        poll_seconds: float,
        failed: Callable[[BaseException], None],
        finished: Callable[[list[Settled]], None],
        talking: Callable[[], bool] = lambda: False,
        slow_seconds: float = _SLOW_SECONDS,
    ) -> None:
        self._attempts = attempts
        self._lease = lease
        self._hand_back = hand_back
        self._monotonic = monotonic
        self._settle = settle
        self._concurrency = concurrency
        self._memory_messages = memory_messages
        self._memory_bytes = memory_bytes
        self._poll_seconds = poll_seconds
        self._failed = failed
        self._finished = finished
        self._talking = talking
        self._slow_seconds = slow_seconds
        # Taken, and to begin as soon as nobody talks. While there are any, either the turn or the timer is under way.
        self._taken: list[Work] = []
        self._talk: asyncio.TimerHandle | None = None
        self._queues: dict[bytes, deque[Work]] = {}
        self._turns: deque[bytes] = deque()
        self._held = 0
        self._held_bytes = 0
        self._held_by: Counter[bytes] = Counter()
        self._bytes_by: Counter[bytes] = Counter()
        # Works of a message here: it may have several, of copies that came at different times.
        self._messages: Counter[bytes] = Counter()
        self._doubted: float | None = None
        self._running: dict[asyncio.Task[None], bytes] = {}
        self._running_by: Counter[bytes] = Counter()
        # Those that are not slow, the oldest first, with the time of their beginning.
        self._fresh: dict[asyncio.Task[None], float] = {}
        self._aging: asyncio.TimerHandle | None = None
        self._seen: dict[asyncio.Task[None], int] = {}
        self._wake = asyncio.Event()
        self._poller: asyncio.Task[None] | None = None
        self._draining = False
        self._overflow = True
        self._filling = False

    # -- what the accepting side asks ------------------------------------------------------------

    def reserve(self, workspace: bytes, size: int) -> bool:
        """Is there room to keep a message of this size until it is sent? True takes the room."""
        if (
            self._draining
            or self._held >= self._memory_messages
            or self._held_bytes + size > self._memory_bytes
            or self._held_by[workspace] >= self._memory_messages * _SHARE
            or self._bytes_by[workspace] + size > self._memory_bytes * _SHARE
        ):
            self._overflow = True
            return False
        self._hold(workspace, size)
        return True

    def release(self, workspace: bytes, size: int) -> None:
        """Give reserved room back: the message was refused after all."""
        self._held -= 1
        self._held_bytes -= size
        self._bytes_by[workspace] -= size
        self._held_by[workspace] -= 1
        if not self._held_by[workspace]:
            del self._held_by[workspace], self._bytes_by[workspace]

    def take(self, work: Work) -> None:
        """Send a message for which room was reserved."""
        self._messages[work.id] += 1
        self._taken.append(work)
        if len(self._taken) == 1:
            # In the next turn of the loop those are answered whose messages these are; only then can they talk again.
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._turned)

    def hushed(self) -> None:
        """Nobody talks any more: begin with what was taken meanwhile."""
        if self._taken:
            self._queue_taken()
            self._fill()

    def doubtful(self) -> None:
        """Something may have been leased to this worker that it was not handed: once that is certain, it goes back."""
        self._doubted = self._monotonic()

    def nudge(self) -> None:
        """Look into the store soon: something there became due."""
        self._overflow = True
        self._wake.set()

    # -- life ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to look into the store."""
        self._poller = asyncio.get_running_loop().create_task(self._poll())

    async def drain(self, seconds: float) -> int:
        """Take nothing new, finish what is under way for at most `seconds`; how many works were left to others."""
        self._draining = True
        if self._poller is not None:
            self._poller.cancel()
        if self._filling or self._taken:
            self._queue_taken()
            self._begin()
        left = sum(len(q) for q in self._queues.values())
        self._queues.clear()
        self._turns.clear()
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)
        return left + len(self._running)

    def lasting(self) -> bool:
        """Whether something is under way that was so when this was last asked.

        After so many times it is believed to hang, and counts no more.
        """
        self._seen = {task: self._seen.get(task, 0) + 1 for task in self._running}
        return any(1 < times <= _HANGS for times in self._seen.values())

    @property
    def under_way(self) -> int:
        """Works being tried now."""
        return len(self._running)

    @property
    def in_memory(self) -> int:
        """Messages held, waiting or under way."""
        return self._held

    # -- inside ----------------------------------------------------------------------------------

    def _turned(self) -> None:
        if not self._taken or self._talk is not None:
            return
        if len(self._taken) >= _CROWD and self._talking():
            self._talk = asyncio.get_running_loop().call_later(_TALK_SECONDS, self.hushed)
            return
        self._queue_taken()
        self._begin()

    def _queue_taken(self) -> None:
        if self._talk is not None:
            self._talk.cancel()
            self._talk = None
        taken, self._taken = self._taken, []
        for work in taken:
            self._enqueue(work)

    def _hold(self, workspace: bytes, size: int) -> None:
        self._held += 1
        self._held_bytes += size
        self._held_by[workspace] += 1
        self._bytes_by[workspace] += size

    def _enqueue(self, work: Work) -> None:
        queue = self._queues.get(work.workspace)
        if queue is None:
            queue = self._queues[work.workspace] = deque()
            self._turns.append(work.workspace)
        queue.append(work)

    def _fill(self) -> None:
        """Begin what there is room for in the loop's next turn."""
        if not self._filling and self._turns:
            self._filling = True
            asyncio.get_running_loop().call_soon(self._begin)

    def _begin(self) -> None:
        self._filling = False
        loop = asyncio.get_running_loop()
        now = self._monotonic()
        while self._fresh and now - next(iter(self._fresh.values())) >= self._slow_seconds:
            del self._fresh[next(iter(self._fresh))]
        waiting: list[bytes] = []
        while self._turns:
            workspace = self._turns.popleft()
            if not self._place_for(workspace):
                waiting.append(workspace)
                continue
            queue = self._queues[workspace]
            work = queue.popleft()
            if queue:
                self._turns.append(workspace)
            else:
                del self._queues[workspace]
            task = loop.create_task(self._one(work))
            self._running[task] = workspace
            self._running_by[workspace] += 1
            self._fresh[task] = now
            task.add_done_callback(self._done)
        self._turns.extend(waiting)
        if waiting and self._fresh and self._aging is None:
            left = next(iter(self._fresh.values())) + self._slow_seconds - now
            self._aging = loop.call_later(left, self._aged)

    def _place_for(self, workspace: bytes) -> bool:
        """A place of its own, or one of those that are free."""
        under_way = self._running_by[workspace]
        return under_way <= self._concurrency // _OWN or (
            len(self._fresh) < self._concurrency
            and under_way < self._concurrency * _OF_ONE
            and len(self._running) < self._concurrency * _WITH_SLOW
        )

    def _aged(self) -> None:
        self._aging = None
        self._fill()

    def _done(self, task: asyncio.Task[None]) -> None:
        workspace = self._running.pop(task)
        self._fresh.pop(task, None)
        self._running_by[workspace] -= 1
        if not self._running_by[workspace]:
            del self._running_by[workspace]
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(error)
        if not self._draining:
            self._fill()
            half = self._memory_messages // 2
            if self._overflow and (self._held < half or self._held_by[workspace] == half):
                self._wake.set()

    async def _one(self, work: Work) -> None:
        try:
            if len(work.copies) > 1:
                beside = _Beside(partial(self._ended, work.workspace))
                if settled := await self._attempts.attempt(work, beside):
                    await self._ended(work.workspace, settled)
            else:
                await self._ended(work.workspace, await self._attempts.attempt(work))
        finally:
            self._messages[work.id] -= 1
            if not self._messages[work.id]:
                del self._messages[work.id]
            self.release(work.workspace, work.facts.size)

    async def _ended(self, workspace: bytes, settled: list[Settled]) -> None:
        await self._keep(workspace, settled)
        self._finished(settled)

    async def _keep(self, workspace: bytes, settled: list[Settled]) -> None:
        """Write the outcome, however long the store is away: an outcome forgotten is a message sent twice.

        A failure of another kind, which nobody foresaw, may be one of the moment, too: it is given up after a while.
        """
        pause, left = 0.1, _UNFORESEEN
        while True:
            try:
                await self._settle(workspace, settled)
                return
            except Exception as e:
                if not isinstance(e, Unavailable):
                    left -= 1
                    if left < 0:
                        raise
                self._failed(e)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 10.0)

    async def _poll(self) -> None:
        """Lease from the store whenever there is room: at once while there is more, else every `poll_seconds`."""
        while True:
            room = self._memory_messages - self._held
            found = 0
            if room > self._memory_messages // 8:
                try:
                    works = await self._lease(min(room, 500), self._full())
                except Exception as e:
                    self._failed(e)
                    self.doubtful()
                    works = []
                found = len(works)
                for work in works:
                    self._hold(work.workspace, work.facts.size)
                    self._messages[work.id] += 1
                    self._enqueue(work)
                self._fill()
            await self._return_strays()
            self._overflow = found > 0
            self._wake.clear()
            if found == 0:
                try:
                    await asyncio.wait_for(self._wake.wait(), self._poll_seconds)
                except TimeoutError:
                    self._overflow = True
            else:
                await asyncio.sleep(0)
                while self._held >= self._memory_messages * 7 // 8:
                    self._wake.clear()
                    self._overflow = True
                    await self._wake.wait()

    def _full(self) -> frozenset[bytes]:
        """Workspaces of which half of the memory is full: more of theirs can wait in the store."""
        half, half_bytes = self._memory_messages // 2, self._memory_bytes // 2
        return frozenset(
            workspace
            for workspace, held in self._held_by.items()
            if held > half or self._bytes_by[workspace] > half_bytes
        )

    async def _return_strays(self) -> None:
        """Nothing is handed over later than that after it was leased: what is not here by then, nobody works on."""
        doubted = self._doubted
        if doubted is None or self._monotonic() - doubted < _CERTAIN_SECONDS:
            return
        try:
            await self._hand_back(frozenset(self._messages), _CERTAIN_SECONDS)
        except Exception as e:
            self._failed(e)
            return
        if self._doubted == doubted:
            self._doubted = None
