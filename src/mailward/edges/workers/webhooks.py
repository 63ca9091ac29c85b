"""The webhook courier: leases due events, posts them through the egress guard, settles how it went.

Attempts run side by side, a few an endpoint; what finished while the store was busy is
settled together. Stopping lets requests under way end within their deadline; whatever
is cut off comes back when its lease runs out, under the same event id.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from mailward.base import ids
from mailward.base.errors import MailwardError
from mailward.base.sources import Clock, Entropy
from mailward.core.webhooks.lease import AT_ONCE, due_now, lease
from mailward.core.webhooks.model import DEADLINE_SECONDS, RESPONSE_READ_MAX, Result, Work
from mailward.core.webhooks.ports import HttpPoster
from mailward.core.webhooks.settle import settle
from mailward.protocol import webhooks as standard

# (workspace id, sealed secret) -> secret
Unseal = Callable[[str, bytes], bytes]

_IDLE_SECONDS = 1.0


class Store(Protocol):
    """The doors this worker goes through."""

    def write(self, workspace: str, verb: Callable[[Any], Awaitable[Any]]) -> Awaitable[Any]: ...
    def system_write(self, verb: Callable[[Any], Awaitable[Any]]) -> Awaitable[Any]: ...
    def system_read(self, verb: Callable[[Any], Awaitable[Any]]) -> Awaitable[Any]: ...


class Log(Protocol):
    """Structured: a static event name and fields, never a URL or content."""

    def info(self, event: str, **fields: Any) -> Any: ...
    def warning(self, event: str, **fields: Any) -> Any: ...


class WebhookWorker:
    """One a process. `run()` until `stop` is set; `wake()` after a commit that queued events."""

    def __init__(
        self,
        store: Store,
        poster: HttpPoster,
        *,
        unseal: Unseal,
        clock: Clock,
        entropy: Entropy,
        log: Log,
        user_agent: str = "Mailward-Webhooks/1",
    ) -> None:
        self._store = store
        self._poster = poster
        self._unseal = unseal
        self._clock = clock
        self._entropy = entropy
        self._log = log
        self._user_agent = user_agent
        self._busy: Counter[bytes] = Counter()
        self._tenants: Counter[bytes] = Counter()
        self._slow = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._finished: list[Result] = []
        self._wake = asyncio.Event()
        self._turn = 0

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
                await asyncio.wait(self._tasks, timeout=DEADLINE_SECONDS + 5)
            await self._settle_finished()

    async def step(self) -> int:
        """Settle what finished, start what is due; how many were started. A store that is away is waited out."""
        try:
            await self._settle_finished()
            works = await self._lease()
        except MailwardError as e:
            self._log.warning("webhook_queue_unavailable", code=e.code)
            return 0
        for work in works:
            self._begin(work)
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

    async def _lease(self) -> list[Work]:
        room = AT_ONCE - len(self._tasks)
        now = self._micros()
        if room <= 0 or not await self._store.system_read(lambda tx: due_now(tx, now)):
            return []
        self._turn += 1
        busy, tenants, slow, turn = dict(self._busy), dict(self._tenants), self._slow, self._turn
        works: list[Work] = await self._store.system_write(
            lambda tx: lease(tx, now=now, limit=room, turn=turn, busy=busy, tenants=tenants, slow=slow)
        )
        return works

    def _begin(self, work: Work) -> None:
        self._busy[work.webhook] += 1
        self._tenants[work.workspace] += 1
        self._slow += work.slow

    def _end(self, work: Work) -> None:
        for count, key in ((self._busy, work.webhook), (self._tenants, work.workspace)):
            count[key] -= 1
            if count[key] <= 0:
                del count[key]
        self._slow -= work.slow

    async def probe(self, work: Work) -> Result:
        """Post one event now, outside of the queue, and say how it went. Settles nothing."""
        began = self._clock.monotonic()
        try:
            answer = await asyncio.wait_for(
                self._poster.post(
                    work.url,
                    self._headers(work),
                    work.body,
                    deadline=DEADLINE_SECONDS,
                    max_response=RESPONSE_READ_MAX,
                ),
                DEADLINE_SECONDS + 1,
            )
            return Result(work, answer.status, answer.body, answer.elapsed_ms, answer.retry_after)
        except MailwardError as e:
            return self._failed(work, began, e.public)
        except TimeoutError:
            return self._failed(work, began, "The endpoint did not answer in time.")
        except OSError:
            return self._failed(work, began, "The endpoint could not be reached.")
        except Exception as e:  # the courier must outlive any fault of one attempt; it is logged by class and retried
            self._log.warning(
                "webhook_attempt_crashed", webhook=ids.encode("whk", work.webhook), error=type(e).__name__
            )
            return self._failed(work, began, "The request failed.")

    async def _attempt(self, work: Work) -> None:
        try:
            result = await self.probe(work)
        finally:
            self._end(work)
        self._finished.append(result)
        self._wake.set()

    def _failed(self, work: Work, began: float, why: str) -> Result:
        return Result(work, 0, b"", int((self._clock.monotonic() - began) * 1000), error=why)

    def _headers(self, work: Work) -> dict[str, str]:
        workspace = ids.encode("ws", work.workspace)
        secrets = [self._unseal(workspace, s.sealed) for s in work.secrets]
        at = int(self._clock.now().timestamp())
        signed = standard.headers(secrets, ids.encode("evt", work.event), at, work.body)
        return {"content-type": "application/json", "user-agent": self._user_agent, **dict(signed)}

    async def _settle_finished(self) -> None:
        finished, self._finished = self._finished, []
        by_workspace: defaultdict[bytes, list[Result]] = defaultdict(list)
        for result in finished:
            by_workspace[result.work.workspace].append(result)
        while by_workspace:
            raw, results = next(iter(by_workspace.items()))
            try:
                await self._settle(ids.encode("ws", raw), results)
            except MailwardError:
                self._finished = [r for group in by_workspace.values() for r in group] + self._finished
                raise
            del by_workspace[raw]

    async def _settle(self, workspace: str, results: list[Result]) -> None:
        now = self._clock.now()
        await self._store.write(workspace, lambda tx: settle(tx, results, now=now, entropy=self._entropy))
        for r in results:
            self._log.info(
                "webhook_attempt_settled",
                webhook=ids.encode("whk", r.work.webhook),
                event_id=ids.encode("evt", r.work.event),
                attempt=r.work.number,
                status=r.status,
                elapsed_ms=r.elapsed_ms,
            )

    def _micros(self) -> int:
        return int(self._clock.now().timestamp() * 1_000_000)
