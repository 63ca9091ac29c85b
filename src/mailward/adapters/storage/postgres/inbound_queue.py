"""SQL of the queue of copies: the system scope, all workspaces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mailward.adapters.storage.postgres.inbound_rows import PgInboundRows
from mailward.adapters.storage.postgres.sealed import first_of
from mailward.adapters.storage.postgres.webhook_queue import Place, share
from mailward.core.inbound.model import InboundRoute, SealedSecret, Work
from mailward.core.webhooks.model import Room

if TYPE_CHECKING:
    from mailward.adapters.storage.postgres.scope import SealedSql
    from mailward.adapters.storage.postgres.sql import Row

# Routes with a waiting copy, by skipping from one to the next through the index; with each, how many copies are due
# (up to $2 of them), and the route if it is on.
_OPEN = (
    "WITH RECURSIVE e(workspace, route) AS ("
    "(SELECT workspace, route FROM received_copies WHERE due IS NOT NULL AND received >= $3 "
    "ORDER BY workspace, route LIMIT 1) UNION ALL "
    "SELECT n.workspace, n.route FROM e CROSS JOIN LATERAL ("
    "SELECT j.workspace, j.route FROM received_copies AS j WHERE j.due IS NOT NULL AND j.received >= $3 "
    "AND (j.workspace, j.route) > (e.workspace, e.route) ORDER BY j.workspace, j.route LIMIT 1) AS n) "
)
_WAITING = (
    _OPEN + "SELECT e.workspace, e.route, w.details, w.failing_since, (SELECT count(*) FROM ("  # noqa: S608
    "SELECT FROM received_copies AS j WHERE j.workspace = e.workspace AND j.route = e.route AND j.due <= $1 "
    "AND j.received >= $3 LIMIT $2) AS due), w.enabled, w.created, w.disabled_at, w.owner_told FROM e "
    "LEFT JOIN inbound_routes AS w ON w.workspace = e.workspace AND w.id = e.route AND w.enabled = 1 "
    "ORDER BY e.workspace, e.route"
)
_DUE_BUT_FOR = (
    _OPEN + "SELECT 1 FROM e WHERE e.route <> ALL($2::bytea[]) AND EXISTS (SELECT FROM received_copies AS j "  # noqa: S608
    "WHERE j.workspace = e.workspace AND j.route = e.route AND j.due <= $1 AND j.received >= $3) LIMIT 1"
)
# The first due copies of each route, as many as it was given.
_TAKE = (
    "SELECT p.workspace, p.route, p.turn, d.received, d.due "
    "FROM unnest($2::bytea[], $3::bytea[], $4::int[]) WITH ORDINALITY AS p(workspace, route, places, turn) "
    "CROSS JOIN LATERAL (SELECT j.received, j.due FROM received_copies AS j WHERE j.workspace = p.workspace "
    "AND j.route = p.route AND j.due <= $1 AND j.received >= $5 ORDER BY j.due LIMIT p.places "
    "FOR UPDATE SKIP LOCKED) AS d"
)
# Those become somebody's until $1. One whose message is no longer there ends. The bounds name the days to look into,
# which the join alone does not tell the planner.
_MARK = (
    "UPDATE received_copies AS j SET due = CASE WHEN m.id IS NOT NULL THEN $1::bigint END, "
    "state = CASE WHEN m.id IS NULL THEN 5 ELSE 0 END, lessee = CASE WHEN m.id IS NULL THEN 0 ELSE $2::bigint END "
    "FROM unnest($3::bytea[], $4::bytea[], $5::bytea[], $6::bigint[], $7::bigint[]) "
    "AS taken(workspace, route, received, turn, due) LEFT JOIN received AS m "
    "ON m.workspace = taken.workspace AND m.id = taken.received AND m.id >= $8 AND m.id <= $9 "
    "WHERE j.workspace = taken.workspace AND j.route = taken.route AND j.received = taken.received "
    "AND j.received >= $8 AND j.received <= $9 "
    "RETURNING taken.turn, taken.due, j.route, j.attempts, "
    "m.workspace, m.id, m.at, m.segment, m.seg_offset, m.seg_length, m.facts, m.reason, m.content_gone"
)


_DAY_US = 86_400_000_000
# More than the schedule of attempts reaches.
_DAYS_TRIED = 5
# How long a copy of earlier mail that becomes due may not be seen.
_LOOK_US = 5_000_000


class PgInboundQueue(PgInboundRows):
    """Leasing what is due, and what the installation does for every workspace."""

    def __init__(self, tx: SealedSql) -> None:
        super().__init__(tx)
        self._looked = -_LOOK_US
        self._earlier = False

    async def all_routes(self) -> list[InboundRoute]:
        """Every route, those that are off included."""
        sql = f"SELECT {self.ROUTE} FROM inbound_routes ORDER BY workspace, id"  # noqa: S608
        return [self.route_of(r) for r in await self._tx.rows(sql)]

    async def anything_due(self, now: int, held: frozenset[bytes]) -> bool:
        """One probe of the index of each day that is looked at; one a route when some are held."""
        if held:
            return await self._tx.row(_DUE_BUT_FOR, now, list(held), await self._since(now)) is not None
        sql = "SELECT 1 FROM received_copies WHERE due <= $1 AND received >= $2 LIMIT 1"
        return await self._tx.row(sql, now, await self._since(now)) is not None

    async def _since(self, now: int) -> bytes:
        """From which id on copies are looked for: those of the last days, and of earlier ones while some are due.

        What is tried at all is tried for days, so only a replay and a release from quarantine concern earlier mail. For
        these every day is looked at now and then, instead of with each lease.
        """
        recent = first_of(now // _DAY_US - _DAYS_TRIED)
        if not self._looked <= now < self._looked + _LOOK_US:
            sql = "SELECT 1 FROM received_copies WHERE due <= $1 AND received < $2 LIMIT 1"
            self._earlier, self._looked = await self._tx.row(sql, now, recent) is not None, now
        return b"" if self._earlier else recent

    async def lease(self, *, lessee: int, now: int, until: int, turn: int, room: Room) -> list[Work]:
        """Due copies, a few a route: one statement looks who waits, two take them, one reads the secrets."""
        since = await self._since(now)
        waiting = await self._tx.rows(_WAITING, now, room.each, since)
        if not waiting:
            return []
        start = turn % len(waiting)
        chosen, off = share([tuple(r[:5]) for r in waiting[start:] + waiting[:start]], room)
        await self._end(off)
        if not chosen:
            return []
        taken = await self._take(chosen, since, lessee=lessee, now=now, until=until)
        taken.sort(key=lambda r: (r[0], r[1], r[5] or b""))
        secrets = await self._secrets_of(list(chosen), now)
        routes = {
            (r[0], r[1]): self.route_of((r[0], r[1], r[2], r[5], r[6], r[7], r[3], r[8]))
            for r in waiting
            if (r[0], r[1]) in chosen
        }
        out: list[Work] = []
        for row in taken:
            if row[5] is not None:
                place = (row[4], row[2])
                keys = tuple(secrets.get(place, ()))
                received = self.received_of(tuple(row[4:]))
                out.append(Work(row[4], routes[place], received, row[3] + 1, keys, chosen[place][1]))
        return out

    async def _take(
        self, chosen: Mapping[Place, tuple[int, bool]], since: bytes, *, lessee: int, now: int, until: int
    ) -> list[Row]:
        rows = await self._tx.rows(
            _TAKE, now, [w for w, _ in chosen], [r for _, r in chosen], [n for n, _ in chosen.values()], since
        )
        if not rows:
            return []
        workspaces, routes, turns, ids, dues = (list(column) for column in zip(*rows, strict=True))
        return await self._tx.rows(_MARK, until, lessee, workspaces, routes, ids, turns, dues, min(ids), max(ids))

    async def _end(self, places: Sequence[Place]) -> None:
        """What waits for a route that is off, or gone, ends."""
        if places:
            await self._tx.run(
                "UPDATE received_copies AS j SET state = 5, due = NULL FROM unnest($1::bytea[], $2::bytea[]) AS p(w, r)"
                " WHERE j.workspace = p.w AND j.route = p.r AND j.state = 0",
                [w for w, _ in places],
                [r for _, r in places],
            )

    async def _secrets_of(self, places: Sequence[Place], now: int) -> dict[Place, list[SealedSecret]]:
        rows = await self._tx.rows(
            "SELECT s.workspace, s.route, s.created, s.sealed, s.expires "
            "FROM unnest($1::bytea[], $2::bytea[]) AS p(w, r) "
            "JOIN inbound_secrets AS s ON s.workspace = p.w AND s.route = p.r "
            "WHERE s.expires IS NULL OR s.expires > $3 ORDER BY s.created DESC",
            [w for w, _ in places],
            [r for _, r in places],
            now,
        )
        out: dict[Place, list[SealedSecret]] = {}
        for workspace, route, created, sealed, expires in rows:
            out.setdefault((workspace, route), []).append(SealedSecret(created, sealed, expires))
        return out

    async def untold(self, limit: int) -> list[InboundRoute]:
        """By an index that holds only these."""
        sql = f"SELECT {self.ROUTE} FROM inbound_routes WHERE owner_told = 'due' ORDER BY disabled_at LIMIT $1"  # noqa: S608
        return [self.route_of(r) for r in await self._tx.rows(sql, limit)]

    async def set_told(self, workspace: bytes, route: bytes, how: str) -> None:
        """The owner was told, or cannot be; one that was enabled meanwhile is no longer to be told of."""
        sql = "UPDATE inbound_routes SET owner_told = $1 WHERE workspace = $2 AND id = $3 AND owner_told = 'due'"
        await self._tx.run(sql, how, workspace, route)
