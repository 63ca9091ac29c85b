"""What a worker does first: whatever its predecessor died of is counted, and parked when it was the third time.

A page of memory shared with the next process (`adapters/host/in_hand.py`) says which message was being signed, put in
another form or taken apart at that moment. Everything else that the dead worker held goes back to the queue as usual.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import structlog

from mailward.adapters.host.in_hand import SENDING, Held, InHand
from mailward.app.store import Store
from mailward.base import ids
from mailward.base.sources import Entropy
from mailward.core.delivery import park as delivery
from mailward.core.guard.deaths import MOST, count_death, tell_parked
from mailward.core.guard.model import Digests
from mailward.core.inbound import park as inbound
from mailward.core.webhooks.enqueue import tell

log = structlog.get_logger()


async def bury(store: Store, hand: InHand, digests: Digests, *, now: datetime, entropy: Entropy) -> int:
    """Count what the page of the last worker of this slot shows; how many messages were parked.

    Call it before the leases of that worker go back. The page is cleared by `InHand.begin`; when this is
    interrupted it is read again, and the same death counts once.
    """
    generation, held = hand.left()
    parked = 0
    for one in held:
        workspace, message = one.workspace, one.message
        name = ids.encode("msg" if one.kind == SENDING else "rcv", message)

        async def count(tx: Any, workspace: bytes = workspace, message: bytes = message) -> int:
            return await count_death(tx, digests, workspace=workspace, message=message, generation=generation, now=now)

        deaths = await store.system_write(count)
        log.error("worker_died_of_message", message=name, deaths=deaths)
        if deaths >= MOST and await _park(store, one, deaths, now):
            parked += 1
            log.error(
                "message_parked",
                message=name,
                advice="look at it and at the worker's end in the log; then release or cancel it",
            )

            async def alert(
                tx: Any, workspace: bytes = workspace, message: bytes = message, name: str = name, n: int = deaths
            ) -> Any:
                return await tell_parked(
                    tx, digests, workspace=workspace, message=message, name=name, deaths=n, now=now, entropy=entropy
                )

            await store.system_write(alert)
    return parked


async def _park(store: Store, one: Held, deaths: int, now: datetime) -> int:
    at = int(now.timestamp() * 1_000_000)

    async def verb(tx: Any) -> int:
        if one.kind == SENDING:
            return await delivery.park(tx, one.message, deaths=deaths, now=at, tell=tell)
        return await inbound.park(tx, one.message)

    return await store.write(ids.encode("ws", one.workspace), verb)
