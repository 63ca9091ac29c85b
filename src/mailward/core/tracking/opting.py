"""Recipients who do not want to be tracked. Of an address only the keyed hash is kept that finds a suppression."""

from __future__ import annotations

from datetime import datetime

from mailward.core.messages.model import Delivery, Message
from mailward.core.suppression.model import normalise, token
from mailward.core.tracking.ports import SeenTx, TrackingTx
from mailward.policy import access
from mailward.policy.access import Actor, Permission


async def opt_out(tx: TrackingTx, actor: Actor, address: str, *, key: bytes, now: datetime) -> bool:
    """Track this recipient no more, in mail to come and in mail that was sent. False when that was so already."""
    access.require(actor, Permission.SUPPRESSION_CHANGE)
    mark = token(key, normalise(address))
    new = await tx.tracking.opt_out(mark, now)
    if new:
        await tx.audit.append(actor, "tracking.opted_out", mark.hex(), {}, now=now)
    return new


async def opt_in(tx: TrackingTx, actor: Actor, address: str, *, key: bytes, now: datetime) -> bool:
    """The recipient agrees again. False when there was nothing to take back."""
    access.require(actor, Permission.SUPPRESSION_CHANGE)
    mark = token(key, normalise(address))
    gone = await tx.tracking.opt_in(mark)
    if gone:
        await tx.audit.append(actor, "tracking.opted_in", mark.hex(), {}, now=now)
    return gone


async def opted_out(tx: TrackingTx, actor: Actor, address: str, *, key: bytes) -> datetime | None:
    """Since when this recipient is not tracked."""
    access.require(actor, Permission.SUPPRESSION_READ)
    mark = token(key, normalise(address))
    return (await tx.tracking.opted_out([mark])).get(mark)


async def own_opt_out(tx: SeenTx, message: bytes, n: int, *, key: bytes, now: datetime) -> bool:
    """The recipient of a copy says so, by the link that only that copy holds. False when the copy is gone."""
    found = await tx.messages.get(message)
    for copy in (await tx.deliveries.of([message])).get(message, ()):
        if found is not None and copy.n == n:
            await tx.tracking.opt_out(mark_of(found, copy, key), now)
            return True
    return False


def mark_of(message: Message, copy: Delivery, key: bytes) -> bytes:
    """The keyed hash of a copy's address; where the address is not stored any more, the one kept in its place."""
    kept = message.facts.tokens
    return kept[copy.n] if copy.n < len(kept) else token(key, copy.recipient)
