"""lease(): take due jobs, a few an endpoint, so that one that hangs keeps nobody else waiting."""

from __future__ import annotations

from collections.abc import Mapping

from mailward.core.webhooks.model import DEADLINE_SECONDS, Room, Work
from mailward.core.webhooks.ports import QueueTx

# Requests of one worker at a time: in all, of one workspace, to one endpoint, and to endpoints that have been failing.
# A workspace that points a hundred endpoints at black holes leaves the others more than half; so do all black holes
# together once they are known as such, which is after their first attempt.
AT_ONCE = 128
TENANT = 48
EACH = 8
SLOW = 48
# Longer than any attempt can take with its settling, so that a lease runs out only when its worker is gone.
LEASE_US = int((DEADLINE_SECONDS * 3 + 15) * 1_000_000)
# Events and attempts are kept this long for replay and for looking back.
KEEP_US = 14 * 86_400_000_000


async def due_now(tx: QueueTx, now: int, held: frozenset[bytes] = frozenset()) -> bool:
    """Is anything due, but for what waits for `held`? A cheap look before the write transaction."""
    return await tx.webhooks.anything_due(now, held)


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
    """Up to `limit` jobs over all workspaces. `busy` (by endpoint), `tenants` (by workspace) and `slow` count what
    this worker does already; an endpoint that took nothing lately gets one request at a time.

    `lessee` is the generation of the worker, by whose end the jobs come back at once; 0 for none. A job whose lease
    ran out counts as due: the event may then arrive twice, under the same id.
    """
    room = Room(limit, EACH, TENANT, max(0, SLOW - slow), busy or {}, tenants or {})
    return await tx.webhooks.lease(lessee=lessee, now=now, until=now + LEASE_US, turn=turn, room=room)


async def prune(tx: QueueTx, *, now: int, keep: int = KEEP_US) -> int:
    """Forget events, finished jobs and attempts older than `keep` microseconds; how many events."""
    return await tx.webhooks.prune(now - keep)
