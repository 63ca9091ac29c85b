"""cancel() and reschedule(): what can still be changed about a message that waits."""

from __future__ import annotations

from mailward.base.errors import Conflict, Invalid, NotFound
from mailward.core.messages.model import DeliveryState, Message
from mailward.core.messages.ports import MessagesTx
from mailward.policy import access
from mailward.policy.access import Actor, Permission

MAX_AHEAD_US = 30 * 86_400_000_000


async def get(tx: MessagesTx, actor: Actor, message: bytes) -> Message:
    """One message of the workspace, or NotFound."""
    access.require(actor, Permission.MESSAGE_READ)
    found = await tx.messages.get(message)
    if found is None:
        raise NotFound("not_found", "There is no message with that id.")
    return found


async def cancel(tx: MessagesTx, actor: Actor, message: bytes, *, now: int) -> int:
    """Stop every copy that is not under way or done; Conflict when there is none. How many were stopped."""
    access.require(actor, Permission.MESSAGE_CHANGE)
    await get(tx, _reader(actor), message)
    moved = await tx.deliveries.move(
        message, (DeliveryState.QUEUED, DeliveryState.HELD), DeliveryState.CANCELLED, due=0, now=now, reason="cancelled"
    )
    if not moved:
        raise Conflict("not_cancellable", "No copy of this message waits any more: it is under way or done.")
    await tx.messages.timeline_add(message, now, "cancelled", "{}")
    return moved


async def reschedule(tx: MessagesTx, actor: Actor, message: bytes, *, due: int, now: int) -> int:
    """Move the time of every waiting copy; Conflict when none waits, Invalid beyond 30 days. How many were moved."""
    access.require(actor, Permission.MESSAGE_CHANGE)
    if due > now + MAX_AHEAD_US:
        raise Invalid("scheduled_too_far", "A message can be scheduled up to 30 days ahead.", field="scheduled_at")
    await get(tx, _reader(actor), message)
    moved = await tx.deliveries.move(
        message, (DeliveryState.QUEUED,), DeliveryState.QUEUED, due=max(due, now), now=now, reason=None
    )
    if not moved:
        raise Conflict("not_reschedulable", "No copy of this message waits any more: it is under way or done.")
    await tx.messages.timeline_add(message, now, "rescheduled", f'{{"due":"{due}"}}')
    return moved


def _reader(actor: Actor) -> Actor:
    """Whoever may change a message may look whether it exists."""
    return Actor(actor.workspace, actor.kind, actor.id, actor.permissions | {Permission.MESSAGE_READ}, actor.role)
