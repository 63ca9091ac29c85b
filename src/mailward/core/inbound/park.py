"""park(): take a received message that keeps killing its worker out of the queue, into quarantine."""

from __future__ import annotations

from mailward.core.inbound.model import CopyState
from mailward.core.inbound.ports import InboundTx

REASON = "Handing this message over ended the worker process again and again."


async def park(tx: InboundTx, message: bytes) -> int:
    """Every copy that waits goes to quarantine, with the reason; how many. Released, it is tried again."""
    moved = await tx.inbound.move(message, CopyState.RECEIVED, CopyState.QUARANTINED, due=None)
    if moved:
        await tx.inbound.set_reason(message, REASON)
    return moved
