"""cancel(), release() and reschedule(): what can still be changed about a message that waits or is held."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from mailward.base import ids
from mailward.base.errors import Conflict, Invalid, NotFound
from mailward.core.messages.ended import ended
from mailward.core.messages.model import FACTS_ENCODER, Delivery, DeliveryState, Message
from mailward.core.messages.ports import MessagesTx, Tell
from mailward.core.messages.told import about_copies
from mailward.policy import access
from mailward.policy.access import Actor, Permission

# Who says "now" by a clock that is a little late means now.
_LATE_CLOCK_US = 60_000_000
MAX_AHEAD_US = 30 * 86_400_000_000
# How many messages one call releases; whoever has more held asks again.
RELEASE_MAX = 1000
_WAITING = (DeliveryState.QUEUED, DeliveryState.HELD)


class Released(NamedTuple):
    """How many messages were released by one call, and whether some are still held."""

    messages: int
    more: bool


async def get(tx: MessagesTx, actor: Actor, message: bytes) -> Message:
    """One message of the workspace, or NotFound."""
    access.require(actor, Permission.MESSAGE_READ)
    found = await tx.messages.get(message)
    if found is None:
        raise NotFound("not_found", "There is no message with that id.")
    return found


async def cancel(tx: MessagesTx, actor: Actor, message: bytes, *, now: int, tell: Tell) -> int:
    """Stop every copy that is not under way or done; Conflict when there is none. How many were stopped."""
    access.require(actor, Permission.MESSAGE_CHANGE)
    found = await get(tx, _reader(actor), message)
    copies = await _copies(tx, message, _WAITING)
    if not copies:
        raise Conflict("not_cancellable", "No copy of this message waits any more: it is under way or done.")
    moved = await tx.deliveries.move(message, _WAITING, DeliveryState.CANCELLED, due=0, now=now, reason="cancelled")
    _require_all(moved, copies)
    if found.facts.redacted:
        await ended(tx, {message: found.facts.redacted}, now=now)
    await _note(tx, actor, found, copies, "cancelled", now=now, tell=tell)
    return len(copies)


async def release(tx: MessagesTx, actor: Actor, message: bytes, *, now: int, tell: Tell) -> int:
    """Send every held copy: at once, or at its scheduled time. Conflict when none is held. How many were released."""
    access.require(actor, Permission.MESSAGE_CHANGE)
    found = await get(tx, _reader(actor), message)
    released = await _release(tx, actor, found, now=now, tell=tell)
    if not released:
        raise Conflict("not_held", "No copy of this message is held.")
    return released


async def release_held(
    tx: MessagesTx, actor: Actor, *, stream: str | None = None, now: int, tell: Tell, limit: int = RELEASE_MAX
) -> Released:
    """Release what is held, of one stream or of all, the oldest first and at most `limit` messages."""
    access.require(actor, Permission.MESSAGE_CHANGE)
    done = 0
    after: bytes | None = None
    while batch := await tx.deliveries.held(after=after, limit=200):
        for id in batch:
            after = id
            found = await tx.messages.get(id)
            if found is None or (stream is not None and found.facts.stream != stream):
                continue
            if done == limit:
                return Released(done, True)
            done += bool(await _release(tx, actor, found, now=now, tell=tell))
    return Released(done, False)


async def _release(tx: MessagesTx, actor: Actor, found: Message, *, now: int, tell: Tell) -> int:
    copies = await _copies(tx, found.id, (DeliveryState.HELD,))
    if copies:
        due = max(found.facts.due, now)
        held = (DeliveryState.HELD,)
        moved = await tx.deliveries.move(found.id, held, DeliveryState.QUEUED, due=due, now=now, reason=None)
        _require_all(moved, copies)
        await _note(tx, actor, found, copies, "released", now=now, tell=tell)
    return len(copies)


def _require_all(moved: int, copies: list[Delivery]) -> None:
    # A sender may take a copy up between the look and the move. What is told of the others would be told of it, too.
    if moved != len(copies):
        raise Conflict("overtaken", "A copy of this message was just taken up, so nothing was changed. Look again.")


async def _note(
    tx: MessagesTx, actor: Actor, found: Message, copies: list[Delivery], what: str, *, now: int, tell: Tell
) -> None:
    """The same to the timeline, the audit log (somebody decided it) and the endpoints."""
    name = ids.encode("msg", found.id)
    at = datetime.fromtimestamp(now / 1e6, UTC)
    await tx.messages.timeline_add(found.id, now, what, "{}")
    await tx.audit.append(actor, f"message.{what}", name, {"copies": str(len(copies))}, now=at)
    await tell(tx, [(f"message.{what}", name, now, about_copies(found.id, found.facts, copies))])


async def _copies(tx: MessagesTx, message: bytes, states: tuple[DeliveryState, ...]) -> list[Delivery]:
    return [d for d in (await tx.deliveries.of([message]))[message] if d.state in states]


async def reschedule(tx: MessagesTx, actor: Actor, message: bytes, *, due: int, now: int) -> int:
    """Move the time of a message and of its every waiting copy; Conflict when none waits. How many were moved.

    Invalid for a time that is over, and beyond 30 days.
    """
    access.require(actor, Permission.MESSAGE_CHANGE)
    if due > now + MAX_AHEAD_US:
        raise Invalid("schedule_too_far", "A message can be scheduled for up to 30 days ahead.", field="scheduled_at")
    if due < now - _LATE_CLOCK_US:
        text = "That time is over. Give the present one to send it now."
        raise Invalid("schedule_in_the_past", text, field="scheduled_at")
    await get(tx, _reader(actor), message)
    waiting = (DeliveryState.QUEUED,)
    moved = await tx.deliveries.move(message, waiting, DeliveryState.QUEUED, due=max(due, now), now=now, reason=None)
    if not moved:
        raise Conflict("not_reschedulable", "No copy of this message waits any more: it is under way or done.")
    if found := await tx.messages.keep(message):
        # What people read as its time, what makes it "scheduled", and from when its delivery is measured.
        was, at = found.facts, max(due, now)
        # Once its time has come copies may be out with that Date, and all of a message say the same.
        dated = (was.dated[0] if was.dated else was.due, at) if was.due > now else was.dated
        facts = msgspec.structs.replace(was, due=at, dated=dated)
        await tx.messages.rewrite(message, FACTS_ENCODER.encode(facts))
    await tx.messages.timeline_add(message, now, "rescheduled", f'{{"due":"{due}"}}')
    return moved


def _reader(actor: Actor) -> Actor:
    """Whoever may change a message may look whether it exists."""
    return replace(actor, permissions=actor.permissions | {Permission.MESSAGE_READ})
