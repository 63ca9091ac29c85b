"""settled(): which outcomes are in the store already, for when the answer to `settle` was lost and nobody knows."""

from __future__ import annotations

from collections.abc import Sequence

from mailward.core.delivery.model import Settled
from mailward.core.delivery.ports import SettleTx
from mailward.core.messages.model import NOT_TRIED


async def settled(tx: SettleTx, items: Sequence[list[Settled]]) -> list[bool | None]:
    """True for each group of outcomes that is written, else None.

    Of a copy that was not tried there is no record. It counts as written: should it not be, it is due again when its
    lease ends, while to write it twice could take it from whoever leased it since.
    """
    out: list[bool | None] = []
    for group in items:
        tried = {(a.n, a.attempt) for a in await tx.deliveries.attempts(group[0].message)} if group else set()
        out.append(True if all(s.facts.outcome == NOT_TRIED or (s.n, s.attempt) in tried for s in group) else None)
    return out
