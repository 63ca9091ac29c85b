"""lease(): take due jobs, a few an endpoint, so that one that hangs keeps nobody else waiting."""

from __future__ import annotations

from collections.abc import Mapping

from mailward.core.webhooks.model import DEADLINE_SECONDS, Work
from mailward.core.webhooks.ports import QueueTx

# Requests to one endpoint at a time, and so what a black hole can hold.
EACH = 8
# Longer than any attempt can take with its settling, so that a lease runs out only when its worker is gone.
LEASE_US = int((DEADLINE_SECONDS * 3 + 15) * 1_000_000)
# Events and attempts are kept this long for replay and for looking back.
KEEP_US = 14 * 86_400_000_000


async def due_now(tx: QueueTx, now: int) -> bool:
    """Is anything due? A cheap look before the write transaction."""
    return await tx.webhooks.anything_due(now)


async def lease(tx: QueueTx, *, now: int, limit: int, turn: int, busy: Mapping[bytes, int]) -> list[Work]:
    """Up to `limit` jobs over all workspaces; `busy` counts what this worker already does for an endpoint.

    A job whose lease ran out counts as due: the event may then arrive twice, under the same id.
    """
    return await tx.webhooks.lease(now=now, until=now + LEASE_US, limit=limit, each=EACH, turn=turn, busy=busy)


async def prune(tx: QueueTx, *, now: int, keep: int = KEEP_US) -> int:
    """Forget events, finished jobs and attempts older than `keep` microseconds; how many events."""
    return await tx.webhooks.prune(now - keep)
