"""SQL of the webhook queue: the system scope, all workspaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mailward.adapters.storage.sqlite.waiting import due_but_for, with_work
from mailward.adapters.storage.sqlite.webhook_rows import ENDPOINT, to_endpoint
from mailward.core.webhooks.model import Endpoint, JobState, Room, SealedSecret, Work

if TYPE_CHECKING:
    from mailward.adapters.storage.sqlite.sql import Sql

_PENDING = int(JobState.PENDING)


class SqliteWebhookQueue:
    """Leasing what is due, and what the installation does for every workspace."""

    _tx: Sql

    async def anything_due(self, now: int, held: frozenset[bytes]) -> bool:
        """One probe of the index, or one each of those with work when some are held."""
        if held:
            return due_but_for(self._tx, "t_webhook_jobs", "webhook", held, now)
        return self._tx.row("SELECT 1 FROM t_webhook_jobs WHERE due <= ? LIMIT 1", (now,)) is not None

    async def lease(self, *, lessee: int, now: int, until: int, turn: int, room: Room) -> list[Work]:
        """Due jobs, a few an endpoint, by skipping from endpoint to endpoint through the index."""
        endpoints = with_work(self._tx, "t_webhook_jobs", "webhook")
        start = turn % len(endpoints) if endpoints else 0
        out: list[Work] = []
        slow = room.slow
        taken: dict[bytes, int] = dict(room.tenants)
        for workspace, webhook in endpoints[start:] + endpoints[:start]:
            busy = room.busy.get(webhook, 0)
            places = min(room.each - busy, room.limit - len(out), room.tenant - taken.get(workspace, 0))
            if places <= 0:
                continue
            endpoint = self._tx.row(
                "SELECT url, failing_since FROM t_webhooks WHERE workspace = ? AND id = ? AND enabled = 1",
                (workspace, webhook),
            )
            failing = endpoint is not None and endpoint[1] is not None
            if failing:
                places = min(1 - busy, slow)
                if places <= 0:
                    continue
            jobs = self._tx.rows(
                "SELECT event, type, attempts FROM t_webhook_jobs "
                "WHERE workspace = ? AND webhook = ? AND due <= ? ORDER BY due LIMIT ?",
                (workspace, webhook, now, places),
            )
            if not jobs:
                continue
            if endpoint is None:
                self._end_jobs(workspace, webhook)
                continue
            got = self._take(workspace, webhook, endpoint[0], jobs, lessee, now, until, failing)
            taken[workspace] = taken.get(workspace, 0) + len(got)
            slow -= len(got) if failing else 0
            out += got
        return out

    def _end_jobs(self, workspace: bytes, webhook: bytes) -> None:
        """What waits for an endpoint that is off, or gone, ends."""
        self._tx.run(
            "UPDATE t_webhook_jobs SET state = 3, due = NULL WHERE workspace = ? AND webhook = ? AND state = 0",
            (workspace, webhook),
        )

    def _take(
        self,
        workspace: bytes,
        webhook: bytes,
        url: str,
        jobs: list[tuple[Any, ...]],
        lessee: int,
        now: int,
        until: int,
        slow: bool,
    ) -> list[Work]:
        key = (workspace, webhook)
        secrets = tuple(
            SealedSecret(*s)
            for s in self._tx.rows(
                "SELECT created, sealed, expires FROM t_webhook_secrets WHERE workspace = ? AND webhook = ? "
                "AND (expires IS NULL OR expires > ?) ORDER BY created DESC",
                (*key, now),
            )
        )
        taken: list[Work] = []
        for event, type, attempts in jobs:
            body = self._tx.row("SELECT body FROM t_webhook_events WHERE workspace = ? AND id = ?", (workspace, event))
            if body is None:
                due, state = None, int(JobState.CANCELLED)
            else:
                due, state = until, _PENDING
                taken.append(Work(workspace, webhook, event, type, attempts + 1, url, body[0], secrets, slow))
            self._tx.run(
                "UPDATE t_webhook_jobs SET due = ?, state = ?, lessee = ? "
                "WHERE workspace = ? AND webhook = ? AND event = ?",
                (due, state, lessee if body is not None else 0, workspace, webhook, event),
            )
        return taken

    async def untold(self, limit: int) -> list[tuple[bytes, Endpoint]]:
        """By an index that holds only these."""
        sql = (
            f"SELECT workspace, {ENDPOINT} FROM t_webhooks "  # noqa: S608
            "WHERE owner_told = 'due' ORDER BY disabled_at LIMIT ?"
        )
        return [(r[0], to_endpoint(r[1:])) for r in self._tx.rows(sql, (limit,))]

    async def set_told(self, workspace: bytes, webhook: bytes, how: str) -> None:
        """The owner was told, or cannot be; one that was enabled meanwhile is no longer to be told of."""
        self._tx.run(
            "UPDATE t_webhooks SET owner_told = ? WHERE workspace = ? AND id = ? AND owner_told = 'due'",
            (how, workspace, webhook),
        )

    async def prune(self, before: int) -> int:
        """Forget events, finished jobs and attempts from before a time; how many events."""
        oldest = (before // 1000).to_bytes(6, "big")
        self._tx.run("DELETE FROM t_webhook_attempts WHERE id < ?", (oldest,))
        self._tx.run("DELETE FROM t_webhook_jobs WHERE due IS NULL AND event < ?", (oldest,))
        self._tx.run("DELETE FROM t_webhook_replays WHERE id < ?", (oldest,))
        return self._tx.run(
            "DELETE FROM t_webhook_events WHERE at < ? AND NOT EXISTS (SELECT 1 FROM t_webhook_jobs j "
            "WHERE j.workspace = t_webhook_events.workspace AND j.event = t_webhook_events.id AND j.due IS NOT NULL)",
            (before,),
        )
