"""Retention of received messages: content is let go first, then everything that is known of a message goes.

Each verb does a bounded piece of work and says whether there is more. A message the courier still has to hand
over keeps its content; what waits in quarantine ends when its content's term is over. The data key of a day stays
as long as a message of that day has content (`waits_between` of the retention repository asks for both kinds).
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from mailward.base import ids
from mailward.base.errors import NotFound
from mailward.core.inbound.ports import AuditedInboundTx, InboundTx
from mailward.policy import access
from mailward.policy.access import Actor, Permission


class Owing(Protocol):
    """Notes bodies that are still to be overwritten."""

    async def owe(self, message: bytes, body: tuple[int, int, int], now: int) -> None: ...


class EraseTx(AuditedInboundTx, Protocol):
    """A transaction in which a message goes at its owner's request."""

    @property
    def retention(self) -> Owing: ...


async def anything_over(tx: InboundTx, *, now: int, content_us: int, messages_us: int) -> bool:
    """Is there anything for the verbs below? Reads only, so that a quiet workspace costs no commit."""
    return bool(
        await tx.inbound.older(below=_bound(now - messages_us), limit=1)
        or await tx.inbound.with_content(after=b"", below=_bound(now - content_us), limit=1)
    )


async def let_go(tx: InboundTx, *, after: bytes, now: int, keep_us: int, limit: int) -> tuple[int, bytes | None]:
    """Let go of the content of up to `limit` messages from before now - keep: (how many, where to go on or None)."""
    found = await tx.inbound.with_content(after=after, below=_bound(now - keep_us), limit=limit)
    waiting = await tx.inbound.waiting_among(found)
    over = [m for m in found if m not in waiting]
    await tx.inbound.let_go(over, now)
    return len(over), found[-1] if len(found) == limit else None


async def erase_old(tx: InboundTx, *, now: int, keep_us: int, limit: int) -> int:
    """Erase up to `limit` messages from before now - keep; how many. One that is still to be handed over stays."""
    found = await tx.inbound.older(below=_bound(now - keep_us), limit=limit)
    waiting = await tx.inbound.waiting_among(found)
    over = [m for m in found if m not in waiting]
    await tx.inbound.erase(over)
    return len(over)


async def erase_one(
    tx: EraseTx, actor: Actor, message: str, *, now: datetime
) -> tuple[bytes, tuple[int, int, int] | None]:
    """Remove one message before its time: its raw id and its body, whose octets are to be overwritten. NotFound."""
    access.require(actor, Permission.MESSAGE_ERASE)
    raw = ids.decode("rcv", message)
    found = await tx.inbound.received(raw)
    if found is None:
        raise NotFound("not_found", "There is no received message with that id.")
    await tx.inbound.erase([raw])
    if found.body is not None:
        await tx.retention.owe(raw, found.body, int(now.timestamp() * 1_000_000))
    await tx.audit.append(actor, "message.erased", message, {"received": "yes"}, now=now)
    return raw, found.body


def _bound(us: int) -> bytes:
    """The smallest id of a time in microseconds UTC."""
    return (max(0, us) // 1000).to_bytes(6, "big") + bytes(10)
