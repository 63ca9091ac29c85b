"""recorded(): which messages are in the store already, for when the answer to `record` was lost and nobody knows."""

from __future__ import annotations

from collections.abc import Sequence

from mailward.core.submission.model import Receipt, Submission
from mailward.core.submission.ports import SubmissionTx


async def recorded(tx: SubmissionTx, items: Sequence[Submission]) -> list[Receipt | None]:
    """A receipt for each that is recorded, else None."""
    found = await tx.deliveries.of([s.id for s in items])
    return [Receipt(s.id, tuple(d.state for d in copies)) if (copies := found.get(s.id)) else None for s in items]
