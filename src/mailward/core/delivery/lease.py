"""lease(): take due work, round the workspaces, so that a crowded queue does not keep a quiet one waiting."""

from __future__ import annotations

from collections.abc import Callable

from mailward.core.delivery.model import Copy, Work
from mailward.core.delivery.ports import LeaseTx
from mailward.core.messages.model import FACTS_DECODER


async def due_now(tx: LeaseTx, now: int) -> bool:
    """Is anything due? A cheap look before the write transaction."""
    for workspace in await tx.deliveries.workspaces_with_open():
        due = await tx.deliveries.next_due(workspace)
        if due is not None and due <= now:
            return True
    return False


async def lease(tx: LeaseTx, lessee: int, *, now: int, until: int, limit: int, turn: int) -> list[Work]:
    """Up to `limit` copies, shared evenly over the workspaces that have due work; `turn` rotates who comes first.

    Copies of one message come as one Work. A lease that ran out counts as due, so the work
    of a worker that died or hung is taken over; such a copy may arrive twice.
    """
    workspaces = await tx.deliveries.workspaces_with_open()
    if not workspaces:
        return []
    start = turn % len(workspaces)
    order = workspaces[start:] + workspaces[:start]
    share = max(1, limit // len(order))
    out: list[Work] = []
    left = limit
    for workspace in order:
        if left <= 0:
            break
        rows = await tx.deliveries.due(workspace, now, min(left, max(share, 1)))
        if not rows:
            continue
        await tx.deliveries.lease(workspace, [(r[0], r[1]) for r in rows], lessee, until)
        facts = await tx.deliveries.messages_for(workspace, list(dict.fromkeys(r[0] for r in rows)))
        works: dict[bytes, Work] = {}
        for message, n, recipient, attempts, dsn in rows:
            row = facts.get(message)
            if row is None:
                continue
            work = works.get(message)
            if work is None:
                body = None if row[1] is None else (row[1], row[2], row[3])
                work = Work(workspace, message, row[0], FACTS_DECODER.decode(row[4]), [], until, body)
                works[message] = work
                out.append(work)
            work.copies.append(Copy(n, recipient, attempts, dsn))
        left -= len(rows)
    return out


async def renew(tx: LeaseTx, lessee: int, *, until: int) -> int:
    """Give all leases of a worker a new end (microseconds UTC); how many there were."""
    renewed = 0
    for workspace in await tx.deliveries.workspaces_with_open(1_000_000):
        renewed += await tx.deliveries.renew(workspace, lessee, until)
    return renewed


async def clear_idle_slots(tx: LeaseTx, idle: Callable[[int], bool], *, now: int) -> int:
    """Return the leases of workers that cannot be alive, so that nobody waits for them to run out; how many."""
    returned = 0
    for slot in await tx.deliveries.slots():
        if idle(slot):
            returned += (await tx.deliveries.take_slot(slot, now))[1]
            await tx.deliveries.drop_slot(slot)
    return returned
