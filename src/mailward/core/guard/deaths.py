"""Deaths of workers, counted for each message that one was working on; and the alert when it was parked for them."""

from __future__ import annotations

from datetime import datetime

from mailward.base.sources import Entropy
from mailward.core.guard.model import Alert, Digests
from mailward.core.guard.ports import GuardTx
from mailward.core.guard.watching import raise_one
from mailward.policy.detection import SHORT_SLOTS, Finding, Kind, Observation, Severity, slot_of

MOST = 3
"""A message that so many workers died of is tried no more."""


async def count_death(
    tx: GuardTx, digests: Digests, *, workspace: bytes, message: bytes, generation: int, now: datetime
) -> int:
    """Add the death of a worker (its generation) to a message's; how many it has caused lately. System scope."""
    slot, subject = slot_of(now.timestamp()), digests.of("poison", message)
    item = digests.of("generation", str(generation))
    await tx.guard.observe([Observation(slot, Kind.KILLED, subject, item, 1, "", workspace)])
    return await tx.guard.different(Kind.KILLED, subject, slot - SHORT_SLOTS)


async def tell_parked(
    tx: GuardTx, digests: Digests, *, workspace: bytes, message: bytes, name: str, deaths: int, now: datetime,
    entropy: Entropy,
) -> Alert | None:  # fmt: skip
    """Raise the alert on a parked message, in its workspace; None when it is known. System scope."""
    sentence = f"{deaths} worker processes ended while they worked on {name}. It is parked; the others go on."
    finding = Finding("poison-message", Severity.HIGH, digests.of("poison", message), name, workspace, sentence)
    return await raise_one(tx, finding, now=now, entropy=entropy)
