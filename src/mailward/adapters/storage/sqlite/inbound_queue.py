"""SQL of the queue of copies: the system scope, all workspaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailward.adapters.storage.sqlite.inbound_rows import RECEIVED, ROUTE, received_of, route_of
from mailward.adapters.storage.sqlite.waiting import due_but_for, with_work
from mailward.core.inbound.model import InboundRoute, SealedSecret, Work
from mailward.core.webhooks.model import Room

if TYPE_CHECKING:
    from mailward.adapters.storage.sqlite.sql import Row, Sql


class SqliteInboundQueue:
    """Leasing what is due, and what the installation does for every workspace."""

    _tx: Sql

    async def all_routes(self) -> list[InboundRoute]:
        """Every route, those that are off included."""
        sql = f"SELECT {ROUTE} FROM t_inbound_routes ORDER BY workspace, id"  # noqa: S608
        return [route_of(r) for r in self._tx.rows(sql)]

    async def anything_due(self, now: int, held: frozenset[bytes]) -> bool:
        """One probe of the index, or one each of those with work when some are held."""
        if held:
            return due_but_for(self._tx, "t_received_copies", "route", held, now)
        return self._tx.row("SELECT 1 FROM t_received_copies WHERE due <= ? LIMIT 1", (now,)) is not None

    async def lease(self, *, lessee: int, now: int, until: int, turn: int, room: Room) -> list[Work]:
        """Due copies, a few a route, by skipping from route to route through the index."""
        waiting = with_work(self._tx, "t_received_copies", "route")
        start = turn % len(waiting) if waiting else 0
        out: list[Work] = []
        slow = room.slow
        taken: dict[bytes, int] = dict(room.tenants)
        for workspace, id in waiting[start:] + waiting[:start]:
            busy = room.busy.get(id, 0)
            places = min(room.each - busy, room.limit - len(out), room.tenant - taken.get(workspace, 0))
            if places <= 0:
                continue
            route = self._route(workspace, id)
            if route is None:
                self._end(workspace, id)
                continue
            failing = route.failing_since is not None
            if failing and (places := min(places, 1 - busy, slow)) <= 0:
                continue
            copies = self._tx.rows(
                "SELECT received, attempts FROM t_received_copies "
                "WHERE workspace = ? AND route = ? AND due <= ? ORDER BY due LIMIT ?",
                (workspace, id, now, places),
            )
            got = self._take(route, copies, lessee, now, until, failing) if copies else []
            taken[workspace] = taken.get(workspace, 0) + len(got)
            slow -= len(got) if failing else 0
            out += got
        return out

    def _route(self, workspace: bytes, id: bytes) -> InboundRoute | None:
        sql = f"SELECT {ROUTE} FROM t_inbound_routes WHERE workspace = ? AND id = ? AND enabled = 1"  # noqa: S608
        row = self._tx.row(sql, (workspace, id))
        return route_of(row) if row else None

    def _end(self, workspace: bytes, route: bytes) -> None:
        """What waits for a route that is off, or gone, ends."""
        self._tx.run(
            "UPDATE t_received_copies SET state = 5, due = NULL WHERE workspace = ? AND route = ? AND state = 0",
            (workspace, route),
        )

    def _take(
        self, route: InboundRoute, copies: list[Row], lessee: int, now: int, until: int, slow: bool
    ) -> list[Work]:
        key = (route.workspace, route.id)
        secrets = tuple(
            SealedSecret(*s)
            for s in self._tx.rows(
                "SELECT created, sealed, expires FROM t_inbound_secrets WHERE workspace = ? AND route = ? "
                "AND (expires IS NULL OR expires > ?) ORDER BY created DESC",
                (*key, now),
            )
        )
        taken: list[Work] = []
        for id, attempts in copies:
            sql = f"SELECT {RECEIVED} FROM t_received WHERE workspace = ? AND id = ?"  # noqa: S608
            row = self._tx.row(sql, (route.workspace, id))
            due, state = (None, 5) if row is None else (until, 0)
            if row is not None:
                taken.append(Work(route.workspace, route, received_of(row), attempts + 1, secrets, slow))
            self._tx.run(
                "UPDATE t_received_copies SET due = ?, state = ?, lessee = ? "
                "WHERE workspace = ? AND route = ? AND received = ?",
                (due, state, lessee if row is not None else 0, *key, id),
            )
        return taken

    async def untold(self, limit: int) -> list[InboundRoute]:
        """By an index that holds only these."""
        sql = f"SELECT {ROUTE} FROM t_inbound_routes WHERE owner_told = 'due' ORDER BY disabled_at LIMIT ?"  # noqa: S608
        return [route_of(r) for r in self._tx.rows(sql, (limit,))]

    async def set_told(self, workspace: bytes, route: bytes, how: str) -> None:
        """The owner was told, or cannot be; one that was enabled meanwhile is no longer to be told of."""
        self._tx.run(
            "UPDATE t_inbound_routes SET owner_told = ? WHERE workspace = ? AND id = ? AND owner_told = 'due'",
            (how, workspace, route),
        )
