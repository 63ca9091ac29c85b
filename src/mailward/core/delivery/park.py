"""park(): take a message that keeps killing its worker out of the queue, until somebody looks at it."""

from __future__ import annotations

import json

from mailward.base import ids
from mailward.core.messages.model import DeliveryState
from mailward.core.messages.ports import MessagesTx, Tell

REASON = "crashed"
_OPEN = (DeliveryState.QUEUED, DeliveryState.LEASED)


async def park(tx: MessagesTx, message: bytes, *, deaths: int, now: int, tell: Tell) -> int:
    """Hold every copy that is not done; how many. 0 when the message is done or gone.

    It is released or cancelled like anything that is held.
    """
    found = await tx.messages.get(message)
    moved = (
        0
        if found is None
        else await tx.deliveries.move(message, _OPEN, DeliveryState.HELD, due=0, now=now, reason=REASON)
    )
    if found is not None and moved:
        name = ids.encode("msg", message)
        await tx.messages.timeline_add(message, now, "parked", json.dumps({"deaths": deaths}))
        waiting = [d.recipient for d in (await tx.deliveries.of([message]))[message] if d.state is DeliveryState.HELD]
        await tell(tx, [("message.held", name, now, {"recipients": waiting, "reason": REASON})])
    return moved
