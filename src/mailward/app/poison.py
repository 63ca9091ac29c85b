"""What a worker does first: whatever its predecessor died of is counted, and parked when it was the third time.

A page of memory shared with the next process (`adapters/host/in_hand.py`) says which message was being signed, put in
another form or taken apart at that moment. Everything else that the dead worker held goes back to the queue as usual.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

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


class Death(NamedTuple):
    """A message that a worker died of: its name, how many have so far, and whether it was parked now."""

    message: str
    deaths: int
    parked: bool


async def bury(store: Store, hand: InHand, digests: Digests, *, now: datetime, entropy: Entropy) -> int:
    """Count what the page of the last worker of this slot shows, and say so in the log; how many were parked.

    Call it before the leases of that worker go back. The page is cleared by `InHand.begin`; when this is
    interrupted it is read again, and the same death counts once.
    """
    found = await examine(store, hand, digests, now=now, entropy=entropy)
    for one in found:
        log.error("worker_died_of_message", message=one.message, deaths=one.deaths)
        if one.parked:
            log.error(
                "message_parked",
                message=one.message,
                advice="look at it and at the worker's end in the log; then release or cancel it",
            )
    return sum(one.parked for one in found)


async def examine(store: Store, hand: InHand, digests: Digests, *, now: datetime, entropy: Entropy) -> list[Death]:
    """Count the deaths that the page shows, park what caused the third, and raise its alert."""
    generation, held = hand.left()
    found = []
    for one in held:
        workspace, message = one.workspace, one.message
        name = ids.encode("msg" if one.kind == SENDING else "rcv", message)

        async def count(tx: Any, workspace: bytes = workspace, message: bytes = message) -> int:
            return await count_death(tx, digests, workspace=workspace, message=message, generation=generation, now=now)

        async def alert(
            tx: Any, deaths: int, workspace: bytes = workspace, message: bytes = message, name: str = name
        ) -> Any:
            return await tell_parked(
                tx, digests, workspace=workspace, message=message, name=name, deaths=deaths, now=now, entropy=entropy
            )

        deaths = await store.system_write(count)
        parked = deaths >= MOST and bool(await _park(store, one, deaths, now))
        if parked:
            await store.system_write(partial(alert, deaths=deaths))
        found.append(Death(name, deaths, parked))
    return found


async def _park(store: Store, one: Held, deaths: int, now: datetime) -> int:
    at = int(now.timestamp() * 1_000_000)

    async def verb(tx: Any) -> int:
        if one.kind == SENDING:
            return await delivery.park(tx, one.message, deaths=deaths, now=at, tell=tell)
        return await inbound.park(tx, one.message)

    return await store.write(ids.encode("ws", one.workspace), verb)
