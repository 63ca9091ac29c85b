"""handed(): deleting a received message's own key the moment no copy of it waits any more (core/redaction)."""

from __future__ import annotations

from collections.abc import Sequence

from mailward.core.inbound.ports import InboundTx


async def handed(tx: InboundTx, message: bytes, redacted: Sequence[str], *, now: int) -> None:
    """Called in the transaction in which one of its copies ended; the body that was sealed under the key goes with it.

    `redacted` are the fields that were never stored of it, `now` is microseconds UTC.
    """
    if await tx.inbound.unfinished_among([message]):
        return
    if await tx.redaction.destroy([message]) and "body" in redacted:
        await tx.inbound.let_go([message], now)
