"""Deleting the key of a message the moment no copy of it is under way any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mailward.core.redaction.ports import HandedTx, PastTx, PrivateTx


async def ended(tx: PrivateTx, redacted: Mapping[bytes, Sequence[str]], *, now: int) -> int:
    """Of sent messages (with the fields they never stored): delete the keys of those without an open copy; how many.

    Called in the transaction in which copies end. A body that was sealed under such a key is let go with it; one
    that was stored as usual stays. `now` is microseconds UTC.
    """
    still_open = await tx.retention.open_among(list(redacted))
    over = [m for m in redacted if m not in still_open]
    bodies = [m for m in over if "body" in redacted[m]]
    if bodies:
        await tx.retention.let_go(bodies, now)
    return await tx.redaction.destroy(over)


async def handed(tx: HandedTx, message: bytes, redacted: Sequence[str], *, now: int) -> None:
    """The same for a received message, one of whose copies has just ended."""
    if await tx.inbound.unfinished_among([message]):
        return
    if await tx.redaction.destroy([message]) and "body" in redacted:
        await tx.inbound.let_go([message], now)


async def sweep(tx: PastTx, *, after: bytes, limit: int, now: int) -> tuple[int, bytes | None]:
    """The same for whatever ended in another way (cancelled, expired, taken in session): (how many, where to go on).

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
