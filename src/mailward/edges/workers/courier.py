"""What every HTTP courier does: lease what is due, post it, settle how it went, and let nobody wait for anybody.

Attempts run side by side, a few an endpoint; what finished while the store was busy is settled together. Stopping
lets requests under way end within their deadline; whatever is cut off comes back as soon as the worker is known to be
gone, and at the latest when its lease runs out, under the same id.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from mailward.base import ids
from mailward.base.errors import MailwardError
from mailward.base.sources import Clock, Entropy
from mailward.edges.workers.resting import Resting

W = TypeVar("W")
R = TypeVar("R")

# (workspace id, sealed secret) -> secret
Unseal = Callable[[str, bytes], bytes]

_IDLE_SECONDS = 1.0


class Store(Protocol):
    """The doors a courier goes through."""

    def write(self, workspace: str, verb: Callable[[Any], Awaitable[Any]]) -> Awaitable[Any]: ...
    def system_write(self, verb: Callable[[Any], Awaitable[Any]]) -> Awaitable[Any]: ...
    def system_read(self, verb: Callable[[Any], Awaitable[Any]]) -> Awaitable[Any]: ...


class Log(Protocol):
    """Structured: a static event name and fields, never a URL or content."""

    def info(self, event: str, **fields: Any) -> Any: ...
    def warning(self, event: str, **fields: Any) -> Any: ...


class Burden(NamedTuple):
    """What one piece of work weighs on: its workspace, its endpoint, and whether that takes nothing lately."""

    workspace: bytes
    endpoint: bytes
    slow: bool


class Load(NamedTuple):
    """What is under way: by endpoint, by workspace, and at endpoints that take nothing lately."""

    busy: Mapping[bytes, int]
    tenants: Mapping[bytes, int]
    slow: int
    held: frozenset[bytes] = frozenset()
    """Endpoints at which nothing more is begun now: they rest, or one that takes nothing lately is being asked. In
    `busy` they stand as full."""


class Courier(ABC, Generic[W, R]):
    """One a process. `run()` until `stop` is set; `wake()` after a commit that queued something."""

    AT_ONCE: int
    """Requests of one worker at a time."""
    DEADLINE: float
    """Seconds an attempt may take."""
    NAME: str
    """Begins the names of its log events."""

    def __init__(self, store: Store, *, clock: Clock, entropy: Entropy, log: Log, lessee: int = 0) -> None:
        self._store = store
        self._lessee = lessee
        self._clock = clock
        self._entropy = entropy
        self._log = log
        self._busy: Counter[bytes] = Counter()
        self._tenants: Counter[bytes] = Counter()
        self._slow: Counter[bytes] = Counter()
        self._resting = Resting()
        self._tasks: set[asyncio.Task[None]] = set()
        self._finished: list[R] = []
        self._wake = asyncio.Event()
        self._turn = 0

    # -- what a kind of work decides -----------------------------------------------------------

    @abstractmethod
    async def due(self, now: int, held: frozenset[bytes]) -> bool:
        """Is anything due at `now` (microseconds UTC), but for what waits for those held? A cheap look."""

    @abstractmethod
    async def lease(self, now: int, turn: int, room: int, load: Load) -> list[W]:
        """At most `room` pieces of work."""

    @abstractmethod
    async def attempt(self, work: W) -> R:
        """Make one attempt. Never raises: how it went is in the result."""

    @abstractmethod
    async def settle(self, workspace: str, results: Sequence[R]) -> None:
        """Write how attempts of one workspace went. Raises MailwardError when the store is away."""

    @abstractmethod
    def burden(self, work: W) -> Burden:
        """What it weighs on."""

    @abstractmethod
    def work_of(self, result: R) -> W:
        """What a result is about."""

    @abstractmethod
    def took(self, result: R) -> bool:
        """Whether the endpoint took it; True also where it is not to blame that it did not."""

    # -- the loop ------------------------------------------------------------------------------

    def wake(self) -> None:
        """Look at the queue now instead of at the next tick."""
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`, then let what is under way end and settle it."""
        stopper = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set():
                if not await self.step():
                    await self._pause(stopper)
        finally:
            stopper.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=self.DEADLINE + 5)
            await self._settle_finished()

    async def step(self) -> int:
        """Settle what finished, start what is due; how many were started.

        A store that is away is waited out, and a fault that nobody foresaw, too: nobody would start the courier again.
        """
        try:
            await self._settle_finished()
            works = await self._lease()
        except MailwardError as e:
            self._log.warning(f"{self.NAME}_queue_unavailable", code=e.code)
            return 0
        except Exception as e:
            self._log.warning(f"{self.NAME}_step_crashed", error=type(e).__name__)
            return 0
        for work in works:
            self._begin(self.burden(work))
            task = asyncio.create_task(self._attempt(work))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return len(works)

    async def settled(self) -> None:
        """Wait for every request under way and settle it."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        await self._settle_finished()

    async def _pause(self, stopper: asyncio.Future[Any]) -> None:
        waker = asyncio.ensure_future(self._wake.wait())
        await asyncio.wait({waker, stopper}, timeout=_IDLE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        waker.cancel()
        self._wake.clear()

    async def _lease(self) -> list[W]:
        room = self.AT_ONCE - len(self._tasks)
        now = self._micros()
        held = frozenset(self._resting.at(self._clock.monotonic())) | frozenset(self._slow)
        if room <= 0 or not await self.due(now, held):
            return []
        self._turn += 1
        busy = dict(self._busy) | dict.fromkeys(held, self.AT_ONCE)
        return await self.lease(now, self._turn, room, Load(busy, dict(self._tenants), self._slow.total(), held))

    def _begin(self, on: Burden) -> None:
        self._busy[on.endpoint] += 1
        self._tenants[on.workspace] += 1
        if on.slow:
            self._slow[on.endpoint] += 1

    def _end(self, on: Burden) -> None:
        counts = [(self._busy, on.endpoint), (self._tenants, on.workspace)]
        for count, key in [*counts, (self._slow, on.endpoint)] if on.slow else counts:
            count[key] -= 1
            if count[key] <= 0:
                del count[key]

    async def _attempt(self, work: W) -> None:
        try:
            result = await self.attempt(work)
        finally:
            self._end(self.burden(work))
        endpoint = self.burden(work).endpoint
        if self.took(result):
            self._resting.took(endpoint)
        else:
            self._resting.failed(endpoint, self._clock.monotonic())
        self._finished.append(result)
        self._wake.set()

    async def _settle_finished(self) -> None:
        finished, self._finished = self._finished, []
        by_workspace: defaultdict[bytes, list[R]] = defaultdict(list)
        for result in finished:
            by_workspace[self.burden(self.work_of(result)).workspace].append(result)
        while by_workspace:
            raw, results = next(iter(by_workspace.items()))
            try:
                await self.settle(ids.encode("ws", raw), results)
            except MailwardError:
                self._finished = [r for group in by_workspace.values() for r in group] + self._finished
                raise
            except Exception as e:
                # They are tried again, and keep nobody waiting; what there are too many of is leased anew.
                self._log.warning(f"{self.NAME}_settling_crashed", error=type(e).__name__)
                self._finished += results[: max(0, self.AT_ONCE - len(self._finished))]
            del by_workspace[raw]

    def _micros(self) -> int:
        return int(self._clock.now().timestamp() * 1_000_000)
