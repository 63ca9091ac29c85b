"""settle(): write how attempts ended, with what follows from it, in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from mailward.core.delivery.model import Settled
from mailward.core.delivery.ports import SettleTx
from mailward.core.messages.model import FACTS_ENCODER, TRANSITIONS, DeliveryState

_DAY_US = 86_400_000_000


async def settle(tx: SettleTx, items: Sequence[list[Settled]]) -> list[None]:
    """Record attempts and the new states; rows another worker took over meanwhile keep their state.

    Each item is the outcome of one Work (all its copies).
    """
    rows = []
    attempts = []
    counts: Counter[str] = Counter()
    at = 0
    for group in items:
        for s in group:
            if s.state not in TRANSITIONS[DeliveryState.LEASED]:
                raise ValueError(f"no way from LEASED to {s.state.name}")
            rows.append((int(s.state), s.due, s.attempt, s.at, s.reason, s.message, s.n, s.lessee))
            attempts.append((s.message, s.n, s.attempt, s.at, FACTS_ENCODER.encode(s.facts)))
            counts[s.facts.outcome] += 1
            at = s.at
    await tx.deliveries.settle(rows)
    await tx.deliveries.add_attempts(attempts)
    for what, n in counts.items():
        await tx.messages.count(at // _DAY_US, what, n)
    return [None] * len(items)
