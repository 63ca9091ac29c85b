"""SQL of webhook endpoints and their secrets; events and the queue are in files of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailward.adapters.storage.sqlite.counters import SqliteCounters
from mailward.adapters.storage.sqlite.webhook_events import SqliteWebhookEvents
from mailward.adapters.storage.sqlite.webhook_queue import SqliteWebhookQueue
from mailward.adapters.storage.sqlite.webhook_rows import ENDPOINT, to_endpoint
from mailward.core.webhooks.model import EPOCH, Endpoint, EndpointsSnapshot, SealedSecret, audience

if TYPE_CHECKING:
    from mailward.adapters.storage.sqlite.sql import Sql

_LAST = b"\xff" * 17  # sorts after every id
_AUDIENCES_KEPT = 10_000


class SqliteWebhooks(SqliteWebhookEvents, SqliteWebhookQueue):
    """The webhooks repository on SQLite; what `SqliteWebhookQueue` holds belongs to the system scope."""

    def __init__(self, tx: Sql) -> None:
        self._tx = tx
        self._audiences: dict[bytes, EndpointsSnapshot] = {}
        self._epoch = -1
        self._changed_here = False

    # -- who wants what -----------------------------------------------------------------------

    async def audience(self) -> EndpointsSnapshot:
        """Kept in memory while the epoch, read at the start of each commit, stays the same."""
        epoch = self._tx.webhooks_epoch
        if epoch != self._epoch:
            self._epoch, self._changed_here = epoch, False
            self._audiences.clear()
        elif len(self._audiences) > _AUDIENCES_KEPT:
            self._audiences.clear()
        workspace = self._tx.workspace or b""
        held = self._audiences.get(workspace)
        if held is None:
            sql = f"SELECT {ENDPOINT} FROM webhooks WHERE enabled = 1 ORDER BY id DESC LIMIT 1000"  # noqa: S608
            held = audience(to_endpoint(r) for r in self._tx.rows(sql))
            # What this transaction changed may still be rolled back, and the epoch with it.
            if epoch >= 0 and not self._changed_here:
                self._audiences[workspace] = held
        return held

    async def _move_epoch(self) -> None:
        await SqliteCounters(self._tx).bump(EPOCH)
        self._audiences.clear()
        self._epoch, self._changed_here = self._tx.webhooks_epoch, True

    # -- endpoints ----------------------------------------------------------------------------

    async def insert(self, endpoint: Endpoint) -> None:
        """A new endpoint."""
        e = endpoint
        self._tx.run(
            "INSERT INTO t_webhooks(workspace, id, url, types, description, enabled, disabled_reason, created) "
            "VALUES (scope(),?,?,?,?,?,?,?)",
            (e.id, e.url, " ".join(sorted(e.types)), e.description, int(e.enabled), e.disabled_reason, e.created),
        )
        await self._move_epoch()

    async def update(self, endpoint: Endpoint) -> None:
        """Everything but the id and the time of creation."""
        e = endpoint
        self._tx.run(
            "UPDATE t_webhooks SET url=?, types=?, description=?, enabled=?, disabled_reason=?, failing_since=?, "
            "disabled_at=?, owner_told=? WHERE workspace = scope() AND id = ?",
            (
                *(e.url, " ".join(sorted(e.types)), e.description, int(e.enabled), e.disabled_reason),
                *(e.failing_since, e.disabled_at, e.owner_told, e.id),
            ),
        )
        await self._move_epoch()

    async def delete(self, id: bytes) -> None:
        """Remove an endpoint with its secrets, jobs and attempts."""
        for table in ("t_webhook_secrets", "t_webhook_jobs", "t_webhook_attempts", "t_webhook_replays"):
            self._tx.run(f"DELETE FROM {table} WHERE workspace = scope() AND webhook = ?", (id,))  # noqa: S608
        self._tx.run("DELETE FROM t_webhooks WHERE workspace = scope() AND id = ?", (id,))
        await self._move_epoch()

    async def get(self, id: bytes) -> Endpoint | None:
        """One endpoint."""
        sql = f"SELECT {ENDPOINT} FROM webhooks WHERE id = ?"  # noqa: S608
        row = self._tx.row(sql, (id,))
        return to_endpoint(row) if row else None

    async def page(self, *, before: bytes | None, limit: int) -> list[Endpoint]:
        """Newest first, ids below `before`."""
        sql = f"SELECT {ENDPOINT} FROM webhooks WHERE id < ? ORDER BY id DESC LIMIT ?"  # noqa: S608
        return [to_endpoint(r) for r in self._tx.rows(sql, (_LAST if before is None else before, limit))]

    async def count(self) -> int:
        """How many endpoints there are."""
        row = self._tx.row("SELECT count(*) FROM webhooks")
        return int(row[0]) if row else 0

    async def secrets(self, id: bytes) -> list[SealedSecret]:
        """Secrets of an endpoint, newest first."""
        sql = "SELECT created, sealed, expires FROM webhook_secrets WHERE webhook = ? ORDER BY created DESC"
        return [SealedSecret(*r) for r in self._tx.rows(sql, (id,))]

    async def put_secret(self, id: bytes, secret: SealedSecret) -> None:
        """Insert, or replace the one with the same `created`."""
        self._tx.run(
            "INSERT INTO t_webhook_secrets(workspace, webhook, created, sealed, expires) VALUES (scope(),?,?,?,?) "
            "ON CONFLICT DO UPDATE SET sealed = excluded.sealed, expires = excluded.expires",
            (id, secret.created, secret.sealed, secret.expires),
        )

    async def drop_secrets(self, id: bytes, *, expired_at: int) -> None:
        """Remove secrets that no longer sign."""
        self._tx.run(
            "DELETE FROM t_webhook_secrets WHERE workspace = scope() AND webhook = ? AND expires <= ?",
            (id, expired_at),
        )

    async def note_answer(self, webhook: bytes, *, taken: bool, at: int) -> None:
        """Since when it takes nothing. Written only when that changes."""
        change = "failing_since = NULL" if taken else "failing_since = ?"
        when = "failing_since IS NOT NULL" if taken else "failing_since IS NULL"
        self._tx.run(
            f"UPDATE t_webhooks SET {change} WHERE workspace = scope() AND id = ? AND {when}",  # noqa: S608
            (webhook,) if taken else (at, webhook),
        )
