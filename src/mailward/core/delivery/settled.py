"""settled(): which outcomes are in the store already, for when the answer to `settle` was lost and nobody knows."""

from __future__ import annotations

from collections.abc import Sequence

from mailward.core.delivery.model import Settled
from mailward.core.delivery.ports import SettleTx


async def settled(tx: SettleTx, items: Sequence[list[Settled]]) -> list[bool | None]:
    """True for each group of outcomes that is written, else None."""
    out: list[bool | None] = []
    for group in items:
        tried = {(a.n, a.attempt) for a in await tx.deliveries.attempts(group[0].message)} if group else set()
        out.append(True if all((s.n, s.attempt) in tried for s in group) else None)
    return out
