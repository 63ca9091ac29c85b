"""The courier of received mail: hands what is on disk to its endpoints until they take it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from mailward.base import ids
from mailward.base.errors import MailwardError, NotFound
from mailward.base.sources import Clock, Entropy
from mailward.core.inbound import lease as leasing
from mailward.core.inbound.model import DEADLINE_SECONDS, InboundRoute, ReceivedFacts, Result, SealedSecret, Work
from mailward.core.inbound.ports import Answer
from mailward.core.inbound.replay import NAMELESS, NAMELESS_TEXT
from mailward.core.inbound.settle import Tells, settle
from mailward.edges.workers.courier import Burden, Courier, Load, Log, Store

LoadBody = Callable[[Work], Awaitable[bytes]]
"""The octets of the message as it came. Raises NotFound when they are no longer kept."""

Reveal = Callable[[Work], Awaitable[Work]]
"""The same work with what its endpoint is to be told."""


class HandsOver(Protocol):
    """Puts a message in its route's form and posts it."""

    async def post(
        self,
        route: InboundRoute,
        id: bytes,
        at: int,
        facts: ReceivedFacts,
        raw: bytes,
        secrets: Sequence[SealedSecret],
        *,
        deadline: float,
    ) -> Answer:
        """Hand the message over once. Raises MailwardError when there was no answer."""
        ...


class InboundWorker(Courier[Work, Result]):
    """One a process. `run()` until `stop` is set; `wake()` after a commit that recorded a message."""

    AT_ONCE = leasing.AT_ONCE
    DEADLINE = DEADLINE_SECONDS
    NAME = "inbound"

    def __init__(
        self,
        store: Store,
        handing: HandsOver,
        load: LoadBody,
        *,
        tell: Tells,
        clock: Clock,
        entropy: Entropy,
        log: Log,
        lessee: int = 0,
        counted: Callable[[str], None] = lambda outcome: None,
        reveal: Reveal | None = None,
    ) -> None:
        """`lessee` is this worker's generation, by whose end its leases come back at once. `counted` is told
        "handed_over" or "not_taken" for each attempt. `reveal` opens what is not stored in readable form.
        """
        super().__init__(store, clock=clock, entropy=entropy, log=log, lessee=lessee)
        self._handing = handing
        self._load = load
        self._tell = tell
        self._counted = counted
        self._reveal = reveal

    async def due(self, now: int, held: frozenset[bytes]) -> bool:
        """One look at the queue."""
        return bool(await self._store.system_read(lambda tx: leasing.due_now(tx, now, held)))

    async def lease(self, now: int, turn: int, room: int, load: Load) -> list[Work]:
        """Copies that are due."""
        works: list[Work] = await self._store.system_write(
            lambda tx: leasing.lease(
                tx,
                lessee=self._lessee,
                now=now,
                limit=room,
                turn=turn,
                busy=load.busy,
                tenants=load.tenants,
                slow=load.slow,
            )
        )
        return works

    async def attempt(self, work: Work) -> Result:
        """Hand one message over once."""
        began = self._clock.monotonic()
        message = work.message
        try:
            if message.facts.redacted and self._reveal is not None:
                message = (await self._reveal(work)).message
            if NAMELESS in message.facts.redacted:
                return self._failed(work, began, NAMELESS_TEXT, lost=True)
            raw = await self._load(work)
        except NotFound:
            return self._failed(work, began, "The content of this message is no longer kept.", lost=True)
        except MailwardError as e:
            return self._failed(work, began, e.public)
        try:
            async with asyncio.timeout(3 * DEADLINE_SECONDS):
                answer = await self._handing.post(
                    work.route, message.id, message.at, message.facts, raw, work.secrets, deadline=DEADLINE_SECONDS
                )
            return Result(work, answer.status, answer.body, answer.elapsed_ms, answer.retry_after)
        except MailwardError as e:
            return self._failed(work, began, e.public)
        except TimeoutError:
            return self._failed(work, began, "The endpoint did not answer in time.")
        except OSError:
            return self._failed(work, began, "The endpoint could not be reached.")
        except Exception as e:  # the courier must outlive any fault of one attempt; it is logged by class and retried
            self._log.warning("inbound_attempt_crashed", route=ids.encode("rte", work.route.id), error=type(e).__name__)
            return self._failed(work, began, "The request failed.")

    def _failed(self, work: Work, began: float, why: str, *, lost: bool = False) -> Result:
        return Result(work, 0, b"", int((self._clock.monotonic() - began) * 1000), error=why, lost=lost)

    async def settle(self, workspace: str, results: Sequence[Result]) -> None:
        """Write how they went; one log line each."""
        now = self._clock.now()
        await self._store.write(
            workspace, lambda tx: settle(tx, results, now=now, entropy=self._entropy, tell=self._tell)
        )
        for r in results:
            self._counted("handed_over" if 200 <= r.status < 300 else "not_taken")
            self._log.info(
                "inbound_attempt_settled",
                route=ids.encode("rte", r.work.route.id),
                message=ids.encode("rcv", r.work.message.id),
                attempt=r.work.number,
                status=r.status,
                elapsed_ms=r.elapsed_ms,
            )

    def burden(self, work: Work) -> Burden:
        """See `Courier`."""
        return Burden(work.workspace, work.route.id, work.slow)

    def work_of(self, result: Result) -> Work:
        """See `Courier`."""
        return result.work

    def took(self, result: Result) -> bool:
        """See `Courier`. Content that is no longer kept is nobody's fault at the endpoint."""
        return result.lost or 200 <= result.status < 300
