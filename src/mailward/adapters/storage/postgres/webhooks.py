"""SQL of webhook endpoints and their secrets; events and the queue are in files of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailward.adapters.storage.postgres.webhook_events import PgWebhookEvents
from mailward.adapters.storage.postgres.webhook_queue import PgWebhookQueue
from mailward.core.webhooks.model import EPOCH, Endpoint, EndpointsSnapshot, SealedSecret, audience

if TYPE_CHECKING:
    from mailward.adapters.storage.postgres.scope import SealedSql

_LAST = b"\xff" * 17  # sorts after every id
_AUDIENCES_KEPT = 10_000


class PgWebhooks(PgWebhookEvents, PgWebhookQueue):
    """The webhooks repository on PostgreSQL; what `PgWebhookQueue` holds belongs to the system scope."""

    def __init__(self, tx: SealedSql) -> None:
        super().__init__(tx)
        self._audiences: dict[bytes, EndpointsSnapshot] = {}
        self._epoch = -1
        self._changed_here = False

    # -- who wants what -----------------------------------------------------------------------

    async def audience(self) -> EndpointsSnapshot:
        """Kept in memory, one for each connection, while the epoch read at the start of a commit stays the same."""
        epoch = self._tx.webhooks_epoch
        if epoch != self._epoch:
            self._epoch, self._changed_here = epoch, False
            self._audiences.clear()
        elif len(self._audiences) > _AUDIENCES_KEPT:
            self._audiences.clear()
        own = self._tx.own
        held = self._audiences.get(own)
        if held is None:
            sql = (
                f"SELECT {self.ENDPOINT} FROM webhooks WHERE workspace = $1 AND enabled = 1 "  # noqa: S608
                "ORDER BY id DESC LIMIT 1000"
            )
            held = audience([self.endpoint(r) for r in await self._tx.rows(sql, own)])
            # What this transaction changed may still be rolled back, and the epoch with it.
            if epoch >= 0 and not self._changed_here:
                self._audiences[own] = held
        return held

    async def _move_epoch(self) -> None:
        await self._tx.counters.bump(EPOCH)
        self._audiences.clear()
        self._epoch, self._changed_here = self._tx.webhooks_epoch, True

    # -- endpoints ----------------------------------------------------------------------------

    def _changeable(self, e: Endpoint) -> tuple[Any, ...]:
        return (
            self._details.pack(self._tx.own, e.id, e.url, e.description, e.disabled_reason),
            " ".join(sorted(e.types)),
            int(e.enabled),
        )

    async def insert(self, endpoint: Endpoint) -> None:
        """A new endpoint."""
        await self._tx.run(
            "INSERT INTO webhooks(workspace, id, details, types, enabled, created, owner_told) "
            "VALUES ($1, $2, $3, $4, $5, $6, '')",
            self._tx.own,
            endpoint.id,
            *self._changeable(endpoint),
            endpoint.created,
        )
        await self._move_epoch()

    async def update(self, endpoint: Endpoint) -> None:
        """Everything but the id and the time of creation."""
        e = endpoint
        await self._tx.run(
            "UPDATE webhooks SET details = $3, types = $4, enabled = $5, failing_since = $6, disabled_at = $7, "
            "owner_told = $8 WHERE workspace = $1 AND id = $2",
            self._tx.own,
            e.id,
            *self._changeable(e),
            e.failing_since,
            e.disabled_at,
            e.owner_told,
        )
        await self._move_epoch()

    async def delete(self, id: bytes) -> None:
        """Remove an endpoint with its secrets, jobs and attempts."""
        own = self._tx.own
        for table in ("webhook_secrets", "webhook_jobs", "webhook_attempts", "webhook_replays"):
            await self._tx.run(f"DELETE FROM {table} WHERE workspace = $1 AND webhook = $2", own, id)  # noqa: S608
        await self._tx.run("DELETE FROM webhooks WHERE workspace = $1 AND id = $2", own, id)
        await self._move_epoch()

    async def get(self, id: bytes) -> Endpoint | None:
        """One endpoint."""
        sql = f"SELECT {self.ENDPOINT} FROM webhooks WHERE workspace = $1 AND id = $2"  # noqa: S608
        row = await self._tx.row(sql, self._tx.own, id)
        return self.endpoint(row) if row else None

    async def page(self, *, before: bytes | None, limit: int) -> list[Endpoint]:
        """Newest first, ids below `before`."""
        sql = f"SELECT {self.ENDPOINT} FROM webhooks WHERE workspace = $1 AND id < $2 ORDER BY id DESC LIMIT $3"  # noqa: S608
        rows = await self._tx.rows(sql, self._tx.own, _LAST if before is None else before, limit)
        return [self.endpoint(r) for r in rows]

    async def count(self) -> int:
        """How many endpoints there are."""
        row = await self._tx.row("SELECT count(*) FROM webhooks WHERE workspace = $1", self._tx.own)
        return int(row[0]) if row else 0

    async def secrets(self, id: bytes) -> list[SealedSecret]:
        """Secrets of an endpoint, newest first."""
        sql = (
            "SELECT created, sealed, expires FROM webhook_secrets WHERE workspace = $1 AND webhook = $2 "
            "ORDER BY created DESC"
        )
        return [SealedSecret(*r) for r in await self._tx.rows(sql, self._tx.own, id)]

    async def put_secret(self, id: bytes, secret: SealedSecret) -> None:
        """Insert, or replace the one with the same `created`."""
        await self._tx.run(
            "INSERT INTO webhook_secrets(workspace, webhook, created, sealed, expires) VALUES ($1, $2, $3, $4, $5) "
            "ON CONFLICT (workspace, webhook, created) "
            "DO UPDATE SET sealed = excluded.sealed, expires = excluded.expires",
            self._tx.own,
            id,
            secret.created,
            secret.sealed,
            secret.expires,
        )

    async def drop_secrets(self, id: bytes, *, expired_at: int) -> None:
        """Remove secrets that no longer sign."""
        sql = "DELETE FROM webhook_secrets WHERE workspace = $1 AND webhook = $2 AND expires <= $3"
        await self._tx.run(sql, self._tx.own, id, expired_at)

    async def note_answer(self, webhook: bytes, *, taken: bool, at: int) -> None:
        """Since when it takes nothing. Written only when that changes."""
        own = self._tx.own
        if taken:
            sql = (
                "UPDATE webhooks SET failing_since = NULL "
                "WHERE workspace = $1 AND id = $2 AND failing_since IS NOT NULL"
            )
            await self._tx.run(sql, own, webhook)
        else:
            sql = "UPDATE webhooks SET failing_since = $3 WHERE workspace = $1 AND id = $2 AND failing_since IS NULL"
            await self._tx.run(sql, own, webhook, at)
