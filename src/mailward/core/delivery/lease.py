"""lease(): take due work, round the workspaces, so that a crowded queue does not keep a quiet one waiting."""

from __future__ import annotations

from collections.abc import Callable, Collection

from mailward.core.delivery.model import Copy, Work
from mailward.core.delivery.ports import LeaseTx
from mailward.core.messages.model import FACTS_DECODER


async def due_now(tx: LeaseTx, now: int, without: frozenset[bytes] = frozenset()) -> bool:
    """Is anything due, of a workspace not in `without`? A cheap look before the write transaction."""
    return await tx.deliveries.anything_due(now, without)


async def lease(
    tx: LeaseTx,
    lessee: int,
    *,
    now: int,
    until: int,
    limit: int,
    turn: int,
    without: frozenset[bytes] = frozenset(),
) -> list[Work]:
    """Up to `limit` copies, shared evenly over the workspaces that have due work; `turn` rotates who comes first.

    The workspaces in `without` have enough with this worker already.
    Copies of one message come as one Work, in the order in which the sender named the recipients. A lease that ran
    out counts as due, so the work of a worker that died or hung is taken over; such a copy may arrive twice.
    """
    works: dict[tuple[bytes, bytes], Work] = {}
    rows = await tx.deliveries.lease_batch(lessee, now=now, until=until, limit=limit, turn=turn, without=without)
    for workspace, message, n, recipient, attempts, dsn, created, segment, offset, length, facts in rows:
        work = works.get((workspace, message))
        if work is None:
            body = None if segment is None or offset is None or length is None else (segment, offset, length)
            work = Work(workspace, message, created, FACTS_DECODER.decode(facts), [], until, body)
            works[workspace, message] = work
        work.copies.append(Copy(n, recipient, attempts, dsn))
    for work in works.values():
        # No store promises an order among what is due at one moment.
        work.copies.sort(key=_place)
    return list(works.values())


def _place(copy: Copy) -> int:
    return copy.n


async def renew(tx: LeaseTx, lessee: int, *, until: int) -> int:
    """Give all leases of a worker a new end (microseconds UTC); how many there were."""
    return await tx.deliveries.renew(lessee, until)


async def hand_back(tx: LeaseTx, lessee: int, *, held: Collection[bytes], until: int, now: int) -> int:
    """Return what a worker leased without having heard so: leases that end at `until` or earlier, of messages that are
    not among `held`; how many.

    When the answer to a commit is lost for good, its caller is told that it failed, and may be wrong.
    """
    strays = [entry for entry in await tx.deliveries.leased_before(lessee, until) if entry[1] not in held]
    return await tx.deliveries.hand_back(lessee, strays, now) if strays else 0


async def clear_idle_slots(tx: LeaseTx, idle: Callable[[int], bool], *, now: int) -> int:
    """Return the leases of workers that cannot be alive, so that nobody waits for them to run out; how many."""
    returned = 0
    for slot in await tx.deliveries.slots():
        if idle(slot):
            returned += (await tx.deliveries.take_slot(slot, now))[1]
            await tx.deliveries.drop_slot(slot)
    return returned
