"""sweep(): deleting the keys of messages that ended in another way than by an attempt."""

from __future__ import annotations

from mailward.core.redaction.ports import PastTx


async def sweep(tx: PastTx, *, after: bytes, limit: int, now: int) -> tuple[int, bytes | None]:
    """Delete the keys of messages without an open copy, and let their bodies go: (how many, where to go on).

    None at the end. A private part whose message is gone goes as well.
    """
    found = await tx.redaction.privates(after, limit)
    busy = await tx.retention.open_among(found) | await tx.inbound.unfinished_among(found)
    over = [m for m in found if m not in busy]
    sent = await tx.messages.several(over)
    await tx.retention.let_go([id for id, m in sent.items() if "body" in m.facts.redacted], now)
    for id in over:
        got = None if id in sent else await tx.inbound.received(id)
        if got is not None and got.body is not None and "body" in got.facts.redacted:
            await tx.inbound.let_go([id], now)
    done = await tx.redaction.destroy(over)
    return done, found[-1] if len(found) == limit else None
