"""lease(): take due copies, a few a route, so that an endpoint that hangs keeps nobody else waiting."""

from __future__ import annotations

from collections.abc import Mapping

from mailward.core.inbound.model import DEADLINE_SECONDS, Work
from mailward.core.inbound.ports import QueueTx
from mailward.core.webhooks.lease import EACH
from mailward.core.webhooks.model import Room

# As for events, but a hand-over carries a whole message and holds it in memory while it is under way.
AT_ONCE = 96
TENANT = 36
SLOW = 36
# Longer than any attempt can take with its settling, so that a lease runs out only when its worker is gone.
LEASE_US = int((DEADLINE_SECONDS * 3 + 15) * 1_000_000)


async def due_now(tx: QueueTx, now: int, held: frozenset[bytes] = frozenset()) -> bool:
    """Is anything due, but for what waits for `held`? A cheap look before the write transaction."""
    return await tx.inbound.anything_due(now, held)


async def lease(
    tx: QueueTx,
    *,
    lessee: int = 0,
    now: int,
    turn: int,
    limit: int = AT_ONCE,
    busy: Mapping[bytes, int] | None = None,
    tenants: Mapping[bytes, int] | None = None,
    slow: int = 0,
) -> list[Work]:
    """Up to `limit` copies over all workspaces. `busy` (by route), `tenants` (by workspace) and `slow` count what
    this worker does already; a route whose endpoint took nothing lately gets one request at a time.

    `lessee` is the generation of the worker, by whose end the copies come back at once; 0 for none. A copy whose lease
    ran out counts as due: the message may then arrive twice, under the same id.
    """
    room = Room(limit, EACH, TENANT, max(0, SLOW - slow), busy or {}, tenants or {})
    return await tx.inbound.lease(lessee=lessee, now=now, until=now + LEASE_US, turn=turn, room=room)
