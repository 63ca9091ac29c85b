"""Nodes, heartbeats and shared rates: what the machines that share this database tell each other through it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from mailward.adapters.storage.postgres.leases import return_to_couriers
from mailward.adapters.storage.postgres.seats import seat, vacate
from mailward.base.errors import Unavailable
from mailward.core.nodes.model import DEAD_SECONDS, Answer, Beat, Draw, Grant, Identity, NodeSeen, SeatWish
from mailward.policy.gcra import Rate, draw

# The server's clock, in microseconds: the only one that all nodes read alike.
_NOW = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
_DEAD_US = int(DEAD_SECONDS * 1_000_000)
# Worker slots of one node at most; in the table every node has a range of its own.
_SLOTS = 10_000
_IDLE_BUCKETS = 200_000_000


class _Doors(Protocol):
    def system_write(self, verb: Callable[[Any], Awaitable[Any]]) -> Awaitable[Any]: ...

    def system_read(self, verb: Callable[[Any], Awaitable[Any]]) -> Awaitable[Any]: ...


class PgNodes:
    """Implements `core.nodes.ports.Nodes` for one process of node number `node`."""

    def __init__(self, store: _Doors, node: int) -> None:
        self._store = store
        self._node = node

    async def claim(self, identity: Identity) -> None:
        """The row is locked while we look, so that of two that start at once one is refused."""

        async def verb(tx: Any) -> str:
            await tx.run(
                "INSERT INTO nodes(node, instance, name, zone, version, seen) "  # noqa: S608  # a constant
                f"VALUES ($1, $2, $3, $4, $5, {_NOW}) ON CONFLICT DO NOTHING",
                *identity[:5],
            )
            held = await tx.row(
                f"SELECT instance, name, ({_NOW} - seen) / 1000000.0, stopped FROM nodes WHERE node = $1 FOR UPDATE",  # noqa: S608
                identity.node,
            )
            if held[0] != identity.instance and not held[3] and held[2] < DEAD_SECONDS:
                return f"node number {identity.node} is in use by {held[1]}, seen {held[2]:.0f} s ago"
            await tx.run(
                # Several supervisors may be one node: the one without a door does not strike the other's.
                "UPDATE nodes SET instance = $2, name = $3, zone = $4, version = $5, stopped = false, "  # noqa: S608
                "http = coalesce(nullif($6, ''), http), submission = coalesce(nullif($7, ''), submission), "
                f"seen = {_NOW} WHERE node = $1",
                *identity,
            )
            return ""

        if refusal := await self._store.system_write(verb):
            raise Unavailable(
                "storage_node",
                f"Storage: {refusal}. Give each machine a storage.node of its own; after moving a node to another data "
                f"folder, wait {DEAD_SECONDS:.0f} seconds.",
            )

    async def beat(self, slot: int, generation: int, *, roles: str, for_node: bool) -> Answer | None:
        """One statement for the worker, one for its node."""

        async def verb(tx: Any) -> Answer | None:
            there = await tx.run(
                f"UPDATE worker_slots SET seen = {_NOW}, roles = $3 WHERE slot = $1 AND generation = $2",  # noqa: S608
                self._place(slot),
                generation,
                roles,
            )
            if not there:
                return None
            sql = "SELECT resting FROM nodes WHERE node = $1"
            if for_node:
                sql = f"UPDATE nodes SET seen = {_NOW}, stopped = false WHERE node = $1 RETURNING resting"  # noqa: S608
            row = await tx.row(sql, self._node)
            leader, alive = await tx.row(
                "SELECT min(slot) FILTER (WHERE 'upkeep' = ANY(string_to_array(roles, ','))), "  # noqa: S608  # constants
                f"count(DISTINCT slot / {_SLOTS}) FROM worker_slots WHERE seen > {_NOW} - {_DEAD_US}"
            )
            return Answer(bool(row and row[0]), leader == self._place(slot), int(alive))

        answer: Answer | None = await self._store.system_write(verb)
        return answer

    async def beats(self) -> list[Beat]:
        """Those of workers that do not beat (of the version before) are not among them."""

        async def verb(tx: Any) -> list[Beat]:
            rows = await tx.rows("SELECT slot, generation, seen FROM worker_slots WHERE seen IS NOT NULL")
            return [Beat(*row) for row in rows]

        found: list[Beat] = await self._store.system_read(verb)
        return found

    async def give_up(self, dead: Sequence[Beat], now: int) -> int:
        """Striking the worker and returning its leases is one transaction: it has either its leases or its end."""

        async def verb(tx: Any) -> int:
            gone = await tx.rows(
                "DELETE FROM worker_slots AS s USING unnest($1::bigint[], $2::bigint[], $3::bigint[]) "
                "AS d(slot, generation, seen) WHERE s.slot = d.slot AND s.generation = d.generation "
                "AND s.seen = d.seen RETURNING s.generation",
                *[list(column) for column in zip(*sorted(dead), strict=True)],
            )
            return await _return_leases(tx, [row[0] for row in gone], now) if gone else 0

        returned: int = await self._store.system_write(verb)
        return returned

    async def give_back(self, generation: int, now: int) -> int:
        """Of a worker that was struck and found out."""
        returned: int = await self._store.system_write(lambda tx: _return_leases(tx, [generation], now))
        return returned

    async def orphans(self) -> int:
        """For the checks."""

        async def verb(tx: Any) -> int:
            row = await tx.row(
                "SELECT count(*) FROM open_deliveries AS o WHERE o.state = 1 "
                "AND NOT EXISTS (SELECT FROM worker_slots AS s WHERE s.generation = o.lessee)"
            )
            return int(row[0])

        return int(await self._store.system_read(verb))

    async def stopped(self) -> None:
        """The number may be taken at once."""
        await self._store.system_write(lambda tx: tx.run("UPDATE nodes SET stopped = true WHERE node = $1", self._node))

    async def known(self) -> list[NodeSeen]:
        """With the workers that are alive."""

        async def verb(tx: Any) -> list[NodeSeen]:
            rows = await tx.rows(
                f"SELECT n.node, n.name, n.zone, n.version, n.stopped, n.resting, ({_NOW} - n.seen) / 1000000.0, "  # noqa: S608
                "count(s.slot), coalesce(string_agg(DISTINCT s.roles, ','), ''), n.http, n.submission FROM nodes AS n "
                f"LEFT JOIN worker_slots AS s ON s.slot / {_SLOTS} = n.node AND s.seen > {_NOW} - {_DEAD_US} "
                "GROUP BY n.node ORDER BY n.node"
            )
            return [_node_seen(row) for row in rows]

        found: list[NodeSeen] = await self._store.system_read(verb)
        return found

    async def rest(self, node: int, on: bool) -> bool:
        """Its workers learn of it with their next beat."""

        async def verb(tx: Any) -> bool:
            return bool(await tx.run("UPDATE nodes SET resting = $2 WHERE node = $1", node, on))

        return bool(await self._store.system_write(verb))

    async def forget(self, node: int) -> bool:
        """Its workers' rows go with it; what they had leased is due when the leases end, if it was not given up."""

        async def verb(tx: Any) -> bool:
            return bool(
                await tx.run(
                    f"DELETE FROM nodes WHERE node = $1 AND (stopped OR seen < {_NOW} - {_DEAD_US})",  # noqa: S608
                    node,
                )
            )

        return bool(await self._store.system_write(verb))

    async def draw(self, wishes: Sequence[Draw]) -> list[Grant]:
        """Rows are locked in one order, so that nodes never wait for each other in a circle."""
        order = sorted(range(len(wishes)), key=lambda n: (wishes[n].name, wishes[n].key))

        async def verb(tx: Any) -> list[Grant]:
            names, keys = [wishes[n].name for n in order], [wishes[n].key for n in order]
            await tx.run(
                "INSERT INTO rate_buckets(name, key, tat) SELECT name, key, 0 "
                "FROM unnest($1::text[], $2::text[]) AS w(name, key) ON CONFLICT DO NOTHING",
                names,
                keys,
            )
            rows = await tx.rows(
                f"SELECT b.name, b.key, b.tat, {_NOW} FROM rate_buckets AS b "  # noqa: S608
                "JOIN unnest($1::text[], $2::text[]) AS w(name, key) ON b.name = w.name AND b.key = w.key "
                "ORDER BY b.name, b.key FOR UPDATE OF b",
                names,
                keys,
            )
            buckets = {(r[0], r[1]): (r[2] / 1e6, r[3] / 1e6) for r in rows}
            grants: dict[int, Grant] = {}
            for n in order:
                wish = wishes[n]
                tat, now = buckets[wish.name, wish.key]
                rate = Rate(wish.name, wish.quota, wish.window)
                tat, given, decision = draw(rate, tat, now, wish.want)
                buckets[wish.name, wish.key] = (tat, now)
                grants[n] = Grant(given, decision.remaining, decision.retry_after, decision.reset)
            await tx.run(
                "UPDATE rate_buckets AS b SET tat = w.tat FROM unnest($1::text[], $2::text[], $3::bigint[]) "
                "AS w(name, key, tat) WHERE b.name = w.name AND b.key = w.key",
                [name for name, _ in buckets],
                [key for _, key in buckets],
                [int(tat * 1e6) for tat, _ in buckets.values()],
            )
            return [grants[n] for n in range(len(wishes))]

        granted: list[Grant] = await self._store.system_write(verb)
        return granted

    async def seat(self, generation: int, wishes: Sequence[SeatWish]) -> list[int]:
        """One transaction for all of them."""
        given: list[int] = await self._store.system_write(lambda tx: seat(tx, generation, wishes))
        return given

    async def forget_buckets(self) -> int:
        """Strike buckets that have been full for minutes, which equal no bucket, and the seats of workers long gone."""

        async def verb(tx: Any) -> int:
            gone = int(await tx.run(f"DELETE FROM rate_buckets WHERE tat < {_NOW} - {_IDLE_BUCKETS}"))  # noqa: S608
            return gone + await vacate(tx)

        return int(await self._store.system_write(verb))

    def _place(self, slot: int) -> int:
        return self._node * _SLOTS + slot


async def _return_leases(tx: Any, generations: Sequence[int], now: int) -> int:
    count = await tx.run(
        "UPDATE open_deliveries SET state = 0, due = $1, lessee = 0 WHERE state = 1 AND lessee = ANY($2::bigint[])",
        now,
        list(generations),
    )
    count += await return_to_couriers(tx, generations, now)
    if count:
        tx.announce("work")
    return int(count)


def _node_seen(row: Any) -> NodeSeen:
    node, name, zone, version, stopped, resting, age, workers, roles, http, submission = row
    alive = workers > 0 or (not stopped and age < DEAD_SECONDS)
    state = ("draining" if resting else "up") if alive and not stopped else "stopped" if stopped else "gone"
    found = tuple(sorted({r for r in roles.split(",") if r}))
    return NodeSeen(node, name, zone, version, state, workers, found, float(age), http, submission)


async def count_alive(db: Any, *, but: int) -> int:
    """How many nodes have workers that beat, one (`but`) left aside. In a transaction of the system's role."""
    sql = f"SELECT count(DISTINCT slot / {_SLOTS}) FROM worker_slots WHERE seen > {_NOW} - {_DEAD_US} "  # noqa: S608
    return int(await db.fetchval(sql + f"AND slot / {_SLOTS} <> $1", but))
