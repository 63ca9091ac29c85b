"""Read back what was received: the list, one message with its copies, and every attempt."""

from __future__ import annotations

from mailward.base import ids
from mailward.base.errors import NotFound
from mailward.core.inbound.model import AttemptPage, Copy, CopyState, Received, ReceivedPage
from mailward.core.inbound.ports import InboundTx
from mailward.policy import access
from mailward.policy.access import Actor, Permission

_LIMIT = 100


async def page(
    tx: InboundTx,
    actor: Actor,
    *,
    route: str | None = None,
    state: CopyState | None = None,
    cursor: str | None = None,
    limit: int = 25,
) -> ReceivedPage:
    """Newest first, each message with its copies; `cursor` is the id of the last one seen."""
    access.require(actor, Permission.INBOUND_READ)
    limit = max(1, min(limit, _LIMIT))
    before = ids.decode("rcv", cursor) if cursor else None
    wanted = ids.decode("rte", route) if route else None
    found = await tx.inbound.page(before=before, limit=limit + 1, route=wanted, state=state)
    copies = await tx.inbound.copies([r.id for r in found[:limit]])
    more = found[limit - 1].id if len(found) > limit else None
    return ReceivedPage([(r, copies[r.id]) for r in found[:limit]], more)


async def one(tx: InboundTx, actor: Actor, message: str) -> tuple[Received, list[Copy]]:
    """One message with its copies. NotFound."""
    access.require(actor, Permission.INBOUND_READ)
    raw = ids.decode("rcv", message)
    found = await tx.inbound.received(raw)
    if found is None:
        raise NotFound("not_found", "There is no received message with that id.")
    return found, (await tx.inbound.copies([raw]))[raw]


async def attempts(
    tx: InboundTx, actor: Actor, message: str, *, cursor: str | None = None, limit: int = 25
) -> AttemptPage:
    """Tries to hand a message over, newest first; `cursor` is the id of the last one seen."""
    found, _ = await one(tx, actor, message)
    limit = max(1, min(limit, _LIMIT))
    before = ids.decode("att", cursor) if cursor else None
    rows = await tx.inbound.attempts(found.id, before=before, limit=limit + 1)
    return AttemptPage(rows[:limit], rows[limit - 1].id if len(rows) > limit else None)
