"""SQL of inbound routes and their secrets; received messages and the queue are in files of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from mailward.adapters.storage.inbound_rows import pack_route
from mailward.adapters.storage.sqlite.counters import SqliteCounters
from mailward.adapters.storage.sqlite.inbound_messages import SqliteInboundMessages
from mailward.adapters.storage.sqlite.inbound_queue import SqliteInboundQueue
from mailward.adapters.storage.sqlite.inbound_rows import ROUTE, route_of
from mailward.core.inbound.model import EPOCH, InboundRoute, SealedSecret

if TYPE_CHECKING:
    from mailward.adapters.storage.sqlite.sql import Sql

_LAST = b"\xff" * 17  # sorts after every id
_encode = msgspec.msgpack.Encoder().encode


class SqliteInbound(SqliteInboundMessages, SqliteInboundQueue):
    """The inbound repository on SQLite; what `SqliteInboundQueue` holds belongs to the system scope."""

    def __init__(self, tx: Sql) -> None:
        self._tx = tx

    async def _move_epoch(self) -> None:
        await SqliteCounters(self._tx).bump(EPOCH)

    async def insert_route(self, route: InboundRoute) -> None:
        """A new route."""
        r = route
        self._tx.run(
            "INSERT INTO t_inbound_routes(workspace, id, details, enabled, created, disabled_at, failing_since, "
            "owner_told) VALUES (scope(),?,?,?,?,?,?,?)",
            (r.id, _encode(pack_route(r)), int(r.enabled), r.created, r.disabled_at, r.failing_since, r.owner_told),
        )
        await self._move_epoch()

    async def update_route(self, route: InboundRoute) -> None:
        """Everything but the id and the time of creation."""
        r = route
        self._tx.run(
            "UPDATE t_inbound_routes SET details = ?, enabled = ?, disabled_at = ?, failing_since = ?, owner_told = ? "
            "WHERE workspace = scope() AND id = ?",
            (_encode(pack_route(r)), int(r.enabled), r.disabled_at, r.failing_since, r.owner_told, r.id),
        )
        await self._move_epoch()

    async def delete_route(self, id: bytes) -> None:
        """Remove a route with its secrets and replays; what waits for it ends."""
        await self.end_copies(id)
        for table in ("t_inbound_secrets", "t_inbound_replays"):
            self._tx.run(f"DELETE FROM {table} WHERE workspace = scope() AND route = ?", (id,))  # noqa: S608
        self._tx.run("DELETE FROM t_inbound_routes WHERE workspace = scope() AND id = ?", (id,))
        await self._move_epoch()

    async def route(self, id: bytes) -> InboundRoute | None:
        """One route."""
        row = self._tx.row(f"SELECT {ROUTE} FROM inbound_routes WHERE id = ?", (id,))  # noqa: S608
        return route_of(row) if row else None

    async def routes(self, *, before: bytes | None, limit: int) -> list[InboundRoute]:
        """Newest first, ids below `before`."""
        sql = f"SELECT {ROUTE} FROM inbound_routes WHERE id < ? ORDER BY id DESC LIMIT ?"  # noqa: S608
        return [route_of(r) for r in self._tx.rows(sql, (_LAST if before is None else before, limit))]

    async def count_routes(self) -> int:
        """How many routes there are."""
        row = self._tx.row("SELECT count(*) FROM inbound_routes")
        return int(row[0]) if row else 0

    async def secrets(self, route: bytes) -> list[SealedSecret]:
        """Secrets of a route, newest first."""
        sql = "SELECT created, sealed, expires FROM inbound_secrets WHERE route = ? ORDER BY created DESC"
        return [SealedSecret(*r) for r in self._tx.rows(sql, (route,))]

    async def put_secret(self, route: bytes, secret: SealedSecret) -> None:
        """Insert, or replace the one with the same `created`."""
        self._tx.run(
            "INSERT INTO t_inbound_secrets(workspace, route, created, sealed, expires) VALUES (scope(),?,?,?,?) "
            "ON CONFLICT DO UPDATE SET sealed = excluded.sealed, expires = excluded.expires",
            (route, secret.created, secret.sealed, secret.expires),
        )

    async def drop_secrets(self, route: bytes, *, expired_at: int) -> None:
        """Remove secrets that no longer sign."""
        self._tx.run(
            "DELETE FROM t_inbound_secrets WHERE workspace = scope() AND route = ? AND expires <= ?",
            (route, expired_at),
        )

    async def note_answer(self, route: bytes, *, taken: bool, at: int) -> None:
        """Since when it takes nothing. Written only when that changes."""
        change = "failing_since = NULL" if taken else "failing_since = ?"
        when = "failing_since IS NOT NULL" if taken else "failing_since IS NULL"
        self._tx.run(
            f"UPDATE t_inbound_routes SET {change} WHERE workspace = scope() AND id = ? AND {when}",  # noqa: S608
            (route,) if taken else (at, route),
        )
