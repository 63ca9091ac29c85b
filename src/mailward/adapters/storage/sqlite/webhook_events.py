"""SQL of webhook events, jobs, attempts and replays of one workspace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mailward.core.webhooks.model import Attempt, JobState, Replay, Told

if TYPE_CHECKING:
    from mailward.adapters.storage.sqlite.sql import Sql

_LAST = b"\xff" * 17  # sorts after every id
_PENDING = int(JobState.PENDING)
_REPLAY = "id, webhook, since, until, only_failed, total, more"


def _told(row: tuple[Any, ...]) -> Told:
    return Told(row[0], row[1], row[2], JobState(row[3]), row[4], row[5])


def _replay(row: tuple[Any, ...]) -> Replay:
    return Replay(row[0], row[1], row[2], row[3], bool(row[4]), row[5], bool(row[6]))


class SqliteWebhookEvents:
    """What endpoints are told, and how it went."""

    _tx: Sql

    async def add_events(self, rows: Sequence[tuple[bytes, str, int, bytes]]) -> None:
        """(id, type, at, body) each; one that is there stays as it is."""
        self._tx.many(
            "INSERT INTO t_webhook_events(workspace, id, type, at, body) VALUES (scope(),?,?,?,?) "
            "ON CONFLICT DO NOTHING",
            rows,
        )

    async def add_jobs(self, rows: Sequence[tuple[bytes, bytes, str, int]]) -> None:
        """(webhook, event, type, due) each; a job that is there stays as it is."""
        self._tx.many(
            "INSERT INTO t_webhook_jobs(workspace, webhook, event, type, state, attempts, due) "
            "VALUES (scope(),?,?,?,0,0,?) ON CONFLICT DO NOTHING",
            rows,
        )

    async def restart_jobs(self, rows: Sequence[tuple[bytes, bytes, str, int]], *, replay: bytes | None) -> None:
        """(webhook, event, type, due) each; a job that is there starts over."""
        self._tx.many(
            "INSERT INTO t_webhook_jobs(workspace, webhook, event, type, state, attempts, due, replay) "
            "VALUES (scope(),?,?,?,0,0,?,?) ON CONFLICT DO UPDATE "
            "SET state = 0, attempts = 0, due = excluded.due, lessee = 0, replay = excluded.replay",
            [(*row, replay) for row in rows],
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

    async def event(self, id: bytes) -> tuple[str, int, bytes] | None:
        """(type, at, body) of an event that is still kept."""
        row = self._tx.row("SELECT type, at, body FROM webhook_events WHERE id = ?", (id,))
        return (row[0], row[1], row[2]) if row else None

    async def told(
        self, webhook: bytes, *, before: bytes | None, limit: int, state: JobState | None = None
    ) -> list[Told]:
        """Newest first, by the primary key."""
        sql = (
            "SELECT j.event, j.type, coalesce(e.at, 0), j.state, j.attempts, j.due "
            "FROM webhook_jobs j LEFT JOIN webhook_events e ON e.id = j.event WHERE j.webhook = ? AND j.event < ?"
        )
        params: list[object] = [webhook, _LAST if before is None else before]
        if state is not None:
            sql += " AND j.state = ?"
            params.append(int(state))
        return [_told(r) for r in self._tx.rows(sql + " ORDER BY j.event DESC LIMIT ?", (*params, limit))]

    async def told_one(self, webhook: bytes, event: bytes) -> Told | None:
        """One event as an endpoint knows it."""
        row = self._tx.row(
            "SELECT j.event, j.type, coalesce(e.at, 0), j.state, j.attempts, j.due "
            "FROM webhook_jobs j LEFT JOIN webhook_events e ON e.id = j.event WHERE j.webhook = ? AND j.event = ?",
            (webhook, event),
        )
        return _told(row) if row else None

    async def events_for(
        self, webhook: bytes, *, since: int, until: int, failed_only: bool, limit: int
    ) -> list[tuple[bytes, str]]:
        """By the range of ids, which begin with the millisecond; the exact time is the event's own."""
        low, high = (since // 1000).to_bytes(6, "big"), (until // 1000 + 1).to_bytes(6, "big")
        sql = (
            "SELECT j.event, j.type FROM webhook_jobs j JOIN webhook_events e ON e.id = j.event "
            "WHERE j.webhook = ? AND j.event >= ? AND j.event < ? AND e.at >= ? AND e.at < ? AND j.state "
        )
        sql += "IN (2, 3)" if failed_only else "<> 0"
        params = (webhook, low, high, since, until, limit)
        return [(r[0], r[1]) for r in self._tx.rows(sql + " ORDER BY j.event LIMIT ?", params)]

    async def add_replay(self, replay: Replay) -> None:
        """One more."""
        r = replay
        self._tx.run(
            "INSERT INTO t_webhook_replays(workspace, webhook, id, since, until, only_failed, total, more) "
            "VALUES (scope(),?,?,?,?,?,?,?)",
            (r.webhook, r.id, r.since, r.until, int(r.only_failed), r.total, int(r.more)),
        )

    async def replays(self, webhook: bytes, *, before: bytes | None, limit: int) -> list[Replay]:
        """Newest first."""
        sql = f"SELECT {_REPLAY} FROM webhook_replays WHERE webhook = ? AND id < ? ORDER BY id DESC LIMIT ?"  # noqa: S608
        return [_replay(r) for r in self._tx.rows(sql, (webhook, _LAST if before is None else before, limit))]

    async def replay(self, webhook: bytes, id: bytes) -> Replay | None:
        """One of them."""
        sql = f"SELECT {_REPLAY} FROM webhook_replays WHERE webhook = ? AND id = ?"  # noqa: S608
        row = self._tx.row(sql, (webhook, id))
        return _replay(row) if row else None

    async def replay_counts(self, webhook: bytes, id: bytes) -> dict[JobState, int]:
        """By an index that holds only what is replayed."""
        sql = "SELECT state, count(*) FROM webhook_jobs WHERE webhook = ? AND replay = ? GROUP BY state"
        return {JobState(r[0]): int(r[1]) for r in self._tx.rows(sql, (webhook, id))}

    async def finish(self, webhook: bytes, event: bytes, *, number: int, state: JobState, due: int | None) -> bool:
        """Record attempt `number` of a pending job; False when it was recorded or ended meanwhile."""
        return bool(
            self._tx.run(
                "UPDATE t_webhook_jobs SET state = ?, attempts = ?, due = ?, lessee = 0 "
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

    async def attempts(
        self, webhook: bytes, *, before: bytes | None, limit: int, event: bytes | None = None
    ) -> list[Attempt]:
        """Tries of an endpoint, newest first, of all events or of one."""
        sql = (
            "SELECT id, webhook, event, type, at, number, outcome, status, elapsed_ms, response, next_due "
            "FROM webhook_attempts WHERE webhook = ? AND id < ?"
        )
        params: list[object] = [webhook, _LAST if before is None else before]
        if event is not None:
            sql += " AND event = ?"
            params.append(event)
        return [Attempt(*r) for r in self._tx.rows(sql + " ORDER BY id DESC LIMIT ?", (*params, limit))]
