"""SQL of webhook endpoints, events, jobs and attempts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mailward.core.webhooks.model import Attempt, Endpoint, JobState, SealedSecret, Work

if TYPE_CHECKING:
    from mailward.adapters.storage.sqlite.sql import Sql

_LAST = b"\xff" * 17  # sorts after every id
_PENDING = int(JobState.PENDING)


def _endpoint(row: tuple[Any, ...]) -> Endpoint:
    return Endpoint(row[0], row[1], frozenset(row[2].split()), row[3], bool(row[4]), row[5], row[6])


class SqliteWebhooks:
    """The webhooks repository on SQLite; `lease`, `anything_due` and `prune` belong to the system scope."""

    def __init__(self, tx: Sql) -> None:
        self._tx = tx

    # -- endpoints ----------------------------------------------------------------------------

    async def insert(self, endpoint: Endpoint) -> None:
        """A new endpoint."""
        e = endpoint
        self._tx.run(
            "INSERT INTO t_webhooks(workspace, id, url, types, description, enabled, disabled_reason, created) "
            "VALUES (scope(),?,?,?,?,?,?,?)",
            (e.id, e.url, " ".join(sorted(e.types)), e.description, int(e.enabled), e.disabled_reason, e.created),
        )

    async def update(self, endpoint: Endpoint) -> None:
        """Everything but the id and the time of creation."""
        e = endpoint
        self._tx.run(
            "UPDATE t_webhooks SET url=?, types=?, description=?, enabled=?, disabled_reason=? "
            "WHERE workspace = scope() AND id = ?",
            (e.url, " ".join(sorted(e.types)), e.description, int(e.enabled), e.disabled_reason, e.id),
        )

    async def delete(self, id: bytes) -> None:
        """Remove an endpoint with its secrets, jobs and attempts."""
        for table in ("t_webhook_secrets", "t_webhook_jobs", "t_webhook_attempts"):
            self._tx.run(f"DELETE FROM {table} WHERE workspace = scope() AND webhook = ?", (id,))  # noqa: S608
        self._tx.run("DELETE FROM t_webhooks WHERE workspace = scope() AND id = ?", (id,))

    async def get(self, id: bytes) -> Endpoint | None:
        """One endpoint."""
        sql = "SELECT id, url, types, description, enabled, disabled_reason, created FROM webhooks WHERE id = ?"
        row = self._tx.row(sql, (id,))
        return _endpoint(row) if row else None

    async def page(self, *, before: bytes | None, limit: int) -> list[Endpoint]:
        """Newest first, ids below `before`."""
        sql = (
            "SELECT id, url, types, description, enabled, disabled_reason, created FROM webhooks "
            "WHERE id < ? ORDER BY id DESC LIMIT ?"
        )
        return [_endpoint(r) for r in self._tx.rows(sql, (_LAST if before is None else before, limit))]

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

    # -- events and jobs ----------------------------------------------------------------------

    async def add_events(self, rows: Sequence[tuple[bytes, str, int, bytes]]) -> None:
        """(id, type, at, body) each."""
        self._tx.many("INSERT INTO t_webhook_events(workspace, id, type, at, body) VALUES (scope(),?,?,?,?)", rows)

    async def add_jobs(self, rows: Sequence[tuple[bytes, bytes, str, int]]) -> None:
        """(webhook, event, type, due) each; a job that exists starts over."""
        self._tx.many(
            "INSERT INTO t_webhook_jobs(workspace, webhook, event, type, state, attempts, due) "
            "VALUES (scope(),?,?,?,0,0,?) "
            "ON CONFLICT DO UPDATE SET state = 0, attempts = 0, due = excluded.due",
            rows,
        )

    async def cancel_jobs(self, webhook: bytes) -> int:
        """Pending jobs of an endpoint end; how many."""
        return self._tx.run(
            "UPDATE t_webhook_jobs SET state = ?, due = NULL WHERE workspace = scope() AND webhook = ? AND state = ?",
            (int(JobState.CANCELLED), webhook, _PENDING),
        )

    async def event_type(self, id: bytes) -> str | None:
        """The type of an event that is still kept."""
        row = self._tx.row("SELECT type FROM webhook_events WHERE id = ?", (id,))
        return row[0] if row else None

    async def events_for(self, webhook: bytes, *, since: int, until: int, failed_only: bool) -> list[tuple[bytes, str]]:
        """(event, type) of the jobs of an endpoint whose events happened in that time, and are not under way."""
        sql = (
            "SELECT j.event, j.type FROM webhook_jobs j JOIN webhook_events e ON e.id = j.event "
            "WHERE j.webhook = ? AND e.at >= ? AND e.at < ? AND j.state <> 0"
        )
        if failed_only:
            sql += " AND j.state IN (2, 3)"
        return [(r[0], r[1]) for r in self._tx.rows(sql + " ORDER BY e.at LIMIT 100000", (webhook, since, until))]

    async def finish(self, webhook: bytes, event: bytes, *, number: int, state: JobState, due: int | None) -> bool:
        """Record attempt `number` of a pending job; False when it was recorded or ended meanwhile."""
        return bool(
            self._tx.run(
                "UPDATE t_webhook_jobs SET state = ?, attempts = ?, due = ? "
                "WHERE workspace = scope() AND webhook = ? AND event = ? AND attempts = ? AND state = 0",
                (int(state), number, due, webhook, event, number - 1),
            )
        )

    async def add_attempt(self, attempt: Attempt) -> None:
        """One recorded try."""
        a = attempt
        self._tx.run(
            "INSERT INTO t_webhook_attempts(workspace, webhook, id, event, type, at, number, outcome, status, "
            "elapsed_ms, response, next_due) VALUES (scope(),?,?,?,?,?,?,?,?,?,?,?)",
            (
                *(a.webhook, a.id, a.event, a.type, a.at, a.number, a.outcome, a.status),
                *(a.elapsed_ms, a.response, a.next_due),
            ),
        )

    async def attempts(self, webhook: bytes, *, before: bytes | None, limit: int) -> list[Attempt]:
        """Tries of an endpoint, newest first."""
        sql = (
            "SELECT id, webhook, event, type, at, number, outcome, status, elapsed_ms, response, next_due "
            "FROM webhook_attempts WHERE webhook = ? AND id < ? ORDER BY id DESC LIMIT ?"
        )
        return [Attempt(*r) for r in self._tx.rows(sql, (webhook, _LAST if before is None else before, limit))]

    # -- the queue: the system scope, all workspaces --------------------------------------------

    async def anything_due(self, now: int) -> bool:
        """One probe of the index."""
        return self._tx.row("SELECT 1 FROM t_webhook_jobs WHERE due <= ? LIMIT 1", (now,)) is not None

    async def lease(
        self, *, now: int, until: int, limit: int, each: int, turn: int, busy: Mapping[bytes, int]
    ) -> list[Work]:
        """Due jobs, a few an endpoint, by skipping from endpoint to endpoint through the index."""
        endpoints = self._with_open_jobs()
        start = turn % len(endpoints) if endpoints else 0
        out: list[Work] = []
        for workspace, webhook in endpoints[start:] + endpoints[:start]:
            room = min(each - busy.get(webhook, 0), limit - len(out))
            if room <= 0:
                continue
            jobs = self._tx.rows(
                "SELECT event, type, attempts FROM t_webhook_jobs "
                "WHERE workspace = ? AND webhook = ? AND due <= ? ORDER BY due LIMIT ?",
                (workspace, webhook, now, room),
            )
            if jobs:
                out += self._take(workspace, webhook, jobs, now, until)
        return out

    def _with_open_jobs(self) -> list[tuple[bytes, bytes]]:
        found: list[tuple[bytes, bytes]] = []
        last: tuple[bytes, bytes] = (b"", b"")
        while row := self._tx.row(
            "SELECT workspace, webhook FROM t_webhook_jobs WHERE due IS NOT NULL AND (workspace, webhook) > (?, ?) "
            "ORDER BY workspace, webhook LIMIT 1",
            last,
        ):
            last = (row[0], row[1])
            found.append(last)
        return found

    def _take(self, workspace: bytes, webhook: bytes, jobs: list[tuple[Any, ...]], now: int, until: int) -> list[Work]:
        key = (workspace, webhook)
        row = self._tx.row("SELECT url FROM t_webhooks WHERE workspace = ? AND id = ? AND enabled = 1", key)
        if row is None:
            sql = "UPDATE t_webhook_jobs SET state = 3, due = NULL WHERE workspace = ? AND webhook = ? AND state = 0"
            self._tx.run(sql, key)
            return []
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
                taken.append(Work(workspace, webhook, event, type, attempts + 1, row[0], body[0], secrets))
            self._tx.run(
                "UPDATE t_webhook_jobs SET due = ?, state = ? WHERE workspace = ? AND webhook = ? AND event = ?",
                (due, state, workspace, webhook, event),
            )
        return taken

    async def prune(self, before: int) -> int:
        """Forget events, finished jobs and attempts from before a time; how many events."""
        oldest = (before // 1000).to_bytes(6, "big")
        self._tx.run("DELETE FROM t_webhook_attempts WHERE id < ?", (oldest,))
        self._tx.run("DELETE FROM t_webhook_jobs WHERE due IS NULL AND event < ?", (oldest,))
        return self._tx.run(
            "DELETE FROM t_webhook_events WHERE at < ? AND NOT EXISTS (SELECT 1 FROM t_webhook_jobs j "
            "WHERE j.workspace = t_webhook_events.workspace AND j.event = t_webhook_events.id AND j.due IS NOT NULL)",
            (before,),
        )
