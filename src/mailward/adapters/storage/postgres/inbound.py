"""SQL of inbound routes and their secrets; received messages and the queue are in files of their own."""

from __future__ import annotations

from mailward.adapters.storage.inbound_rows import pack_route
from mailward.adapters.storage.postgres.inbound_messages import PgInboundMessages
from mailward.adapters.storage.postgres.inbound_queue import PgInboundQueue
from mailward.core.inbound.model import EPOCH, InboundRoute, SealedSecret

_LAST = b"\xff" * 17  # sorts after every id


class PgInbound(PgInboundMessages, PgInboundQueue):
    """The inbound repository on PostgreSQL; what `PgInboundQueue` holds belongs to the system scope."""

    async def _move_epoch(self) -> None:
        await self._tx.counters.bump(EPOCH)

    async def insert_route(self, route: InboundRoute) -> None:
        """A new route."""
        r, own = route, self._tx.own
        await self._tx.run(
            "INSERT INTO inbound_routes(workspace, id, details, enabled, created, disabled_at, failing_since, "
            "owner_told) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            own,
            r.id,
            self._details.pack(own, r.id, *pack_route(r)),
            *(int(r.enabled), r.created, r.disabled_at, r.failing_since, r.owner_told),
        )
        await self._move_epoch()

    async def update_route(self, route: InboundRoute) -> None:
        """Everything but the id and the time of creation."""
        r, own = route, self._tx.own
        await self._tx.run(
            "UPDATE inbound_routes SET details = $3, enabled = $4, disabled_at = $5, failing_since = $6, "
            "owner_told = $7 WHERE workspace = $1 AND id = $2",
            own,
            r.id,
            self._details.pack(own, r.id, *pack_route(r)),
            *(int(r.enabled), r.disabled_at, r.failing_since, r.owner_told),
        )
        await self._move_epoch()

    async def delete_route(self, id: bytes) -> None:
        """Remove a route with its secrets and replays; what waits for it ends."""
        await self.end_copies(id)
        own = self._tx.own
        for table in ("inbound_secrets", "inbound_replays"):
            await self._tx.run(f"DELETE FROM {table} WHERE workspace = $1 AND route = $2", own, id)  # noqa: S608
        await self._tx.run("DELETE FROM inbound_routes WHERE workspace = $1 AND id = $2", own, id)
        await self._move_epoch()

    async def route(self, id: bytes) -> InboundRoute | None:
        """One route."""
        sql = f"SELECT {self.ROUTE} FROM inbound_routes WHERE workspace = $1 AND id = $2"  # noqa: S608
        row = await self._tx.row(sql, self._tx.own, id)
        return self.route_of(row) if row else None

    async def routes(self, *, before: bytes | None, limit: int) -> list[InboundRoute]:
        """Newest first, ids below `before`."""
        sql = f"SELECT {self.ROUTE} FROM inbound_routes WHERE workspace = $1 AND id < $2 ORDER BY id DESC LIMIT $3"  # noqa: S608
        rows = await self._tx.rows(sql, self._tx.own, _LAST if before is None else before, limit)
        return [self.route_of(r) for r in rows]

    async def count_routes(self) -> int:
        """How many routes there are."""
        row = await self._tx.row("SELECT count(*) FROM inbound_routes WHERE workspace = $1", self._tx.own)
        return int(row[0]) if row else 0

    async def secrets(self, route: bytes) -> list[SealedSecret]:
        """Secrets of a route, newest first."""
        sql = (
            "SELECT created, sealed, expires FROM inbound_secrets WHERE workspace = $1 AND route = $2 "
            "ORDER BY created DESC"
        )
        return [SealedSecret(*r) for r in await self._tx.rows(sql, self._tx.own, route)]

    async def put_secret(self, route: bytes, secret: SealedSecret) -> None:
        """Insert, or replace the one with the same `created`."""
        await self._tx.run(
            "INSERT INTO inbound_secrets(workspace, route, created, sealed, expires) VALUES ($1, $2, $3, $4, $5) "
            "ON CONFLICT (workspace, route, created) "
            "DO UPDATE SET sealed = excluded.sealed, expires = excluded.expires",
            self._tx.own,
            route,
            secret.created,
            secret.sealed,
            secret.expires,
        )

    async def drop_secrets(self, route: bytes, *, expired_at: int) -> None:
        """Remove secrets that no longer sign."""
        sql = "DELETE FROM inbound_secrets WHERE workspace = $1 AND route = $2 AND expires <= $3"
        await self._tx.run(sql, self._tx.own, route, expired_at)

    async def note_answer(self, route: bytes, *, taken: bool, at: int) -> None:
        """Since when it takes nothing. Written only when that changes."""
        if taken:
            sql = (
                "UPDATE inbound_routes SET failing_since = NULL "
                "WHERE workspace = $1 AND id = $2 AND failing_since IS NOT NULL"
            )
            await self._tx.run(sql, self._tx.own, route)
            return
        sql = "UPDATE inbound_routes SET failing_since = $3 WHERE workspace = $1 AND id = $2 AND failing_since IS NULL"
        await self._tx.run(sql, self._tx.own, route, at)
