"""Seats that workers of all nodes draw from one pool for each source. System scope."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mailward.core.nodes.model import DEAD_SECONDS, SeatWish
from mailward.policy.seats import pool_of

_ALIVE = "s.seen > (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - " + str(int(DEAD_SECONDS * 1_000_000))
# Worker slots of one node at most.
_SLOTS = 10_000
# So many workers' hashes are folded into one lock that two sources may share: they wait for each other for a moment.
_LOCK = 0x4D57_5345


async def seat(tx: Any, generation: int, wishes: Sequence[SeatWish]) -> list[int]:
    """Have a worker hold as many seats of each key as it wishes, or as many as are left; how many it holds.

    What workers hold that have not beaten for as long as makes them dead is anybody's.
    """
    # One at a time for a key, in one order, so that nobody waits in a circle.
    await tx.rows(
        "SELECT pg_advisory_xact_lock($1, lock) FROM "
        "(SELECT DISTINCT hashtext(key) AS lock FROM unnest($2::text[]) AS w(key) ORDER BY 1) AS locks",
        _LOCK,
        [w.key for w in wishes],
    )
    # How many nodes part the limit is asked here, so that all of them draw from one pool.
    (nodes,) = await tx.row(f"SELECT count(DISTINCT s.slot / {_SLOTS}) FROM worker_slots AS s WHERE {_ALIVE}")  # noqa: S608
    held = dict(
        await tx.rows(
            "SELECT c.key, sum(c.seats)::integer FROM connection_seats AS c "  # noqa: S608  # a constant
            f"JOIN worker_slots AS s ON s.generation = c.worker AND {_ALIVE} "
            "WHERE c.key = ANY($1::text[]) AND c.worker <> $2 GROUP BY c.key",
            [w.key for w in wishes],
            generation,
        )
    )
    given = [max(0, min(w.want, pool_of(w.most, nodes) - held.get(w.key, 0))) for w in wishes]
    keys = [w.key for w in wishes]
    await tx.run(
        "INSERT INTO connection_seats(key, worker, seats) SELECT w.key, $2, w.seats "
        "FROM unnest($1::text[], $3::integer[]) AS w(key, seats) WHERE w.seats > 0 "
        "ON CONFLICT (key, worker) DO UPDATE SET seats = excluded.seats",
        keys,
        generation,
        given,
    )
    if 0 in given:
        empty = [key for key, seats in zip(keys, given, strict=True) if not seats]
        await tx.run("DELETE FROM connection_seats WHERE worker = $2 AND key = ANY($1::text[])", empty, generation)
    return given


async def vacate(tx: Any) -> int:
    """Strike what workers held that are in no node's list any more; how many rows."""
    return int(
        await tx.run(
            "DELETE FROM connection_seats AS c "
            "WHERE NOT EXISTS (SELECT FROM worker_slots AS s WHERE s.generation = c.worker)"
        )
    )
