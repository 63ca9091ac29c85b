"""What waits for a person: release hands it over, discard ends it. Both are audited."""

from __future__ import annotations

from datetime import datetime

from mailward.base import ids
from mailward.base.errors import Conflict, NotFound
from mailward.core.inbound.model import CopyState
from mailward.core.inbound.ports import AuditedInboundTx
from mailward.policy import access
from mailward.policy.access import Actor, Permission


async def release(tx: AuditedInboundTx, actor: Actor, message: str, *, now: datetime) -> int:
    """Hand a quarantined message over after all; how many copies. Conflict when it is not in quarantine."""
    return await _end(tx, actor, message, CopyState.RECEIVED, "message.released", now=now)


async def discard(tx: AuditedInboundTx, actor: Actor, message: str, *, now: datetime) -> int:
    """It stays where it is and is never handed over; how many copies. Conflict when it is not in quarantine."""
    return await _end(tx, actor, message, CopyState.REFUSED, "message.discarded", now=now)


async def _end(tx: AuditedInboundTx, actor: Actor, message: str, to: CopyState, act: str, *, now: datetime) -> int:
    access.require(actor, Permission.INBOUND_CHANGE)
    raw = ids.decode("rcv", message)
    found = await tx.inbound.received(raw)
    if found is None:
        raise NotFound("not_found", "There is no received message with that id.")
    due = int(now.timestamp() * 1_000_000) if to is CopyState.RECEIVED else None
    moved = await tx.inbound.move(raw, CopyState.QUARANTINED, to, due=due)
    if not moved:
        raise Conflict("not_quarantined", "This message does not wait in quarantine.")
    await tx.audit.append(actor, act, message, {"copies": str(moved), "reason": found.reason[:200]}, now=now)
    return moved
