"""SQL of webhook events, jobs, attempts and replays of one workspace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mailward.adapters.storage.postgres.webhook_rows import PgWebhookRows
from mailward.core.webhooks.model import Attempt, JobState, Replay, Told

if TYPE_CHECKING:
    from mailward.adapters.storage.postgres.sql import Row

_LAST = b"\xff" * 17  # sorts after every id
_PENDING = int(JobState.PENDING)
_REPLAY = "id, webhook, since, until, only_failed, total, more"
_TOLD = (
    "SELECT j.event, j.type, coalesce(e.at, 0), j.state, j.attempts, j.due FROM webhook_jobs AS j "
    "LEFT JOIN webhook_events AS e ON e.workspace = j.workspace AND e.id = j.event "
    "WHERE j.workspace = $1 AND j.webhook = $2"
)
_JOBS = "unnest($2::bytea[], $3::bytea[], $4::text[], $5::bigint[]) AS u(webhook, event, type, due)"


def _told(row: Row) -> Told:
    return Told(row[0], row[1], row[2], JobState(row[3]), row[4], row[5])


def _replay(row: Row) -> Replay:
    return Replay(row[0], row[1], row[2], row[3], bool(row[4]), row[5], bool(row[6]))


def _job_columns(rows: Sequence[tuple[bytes, bytes, str, int]]) -> list[list[Any]]:
    return [[r[i] for r in rows] for i in range(4)]


class PgWebhookEvents(PgWebhookRows):
    """What endpoints are told, and how it went."""

    async def add_events(self, rows: Sequence[tuple[bytes, str, int, bytes]]) -> None:
        """(id, type, at, body) each; one that is there stays as it is."""
        own, seal = self._tx.own, self._body.seal
        await self._tx.run(
            "INSERT INTO webhook_events(workspace, id, type, at, body) "
            "SELECT $1, * FROM unnest($2::bytea[], $3::text[], $4::bigint[], $5::bytea[]) ON CONFLICT DO NOTHING",
            own,
            [r[0] for r in rows],
            [r[1] for r in rows],
            [r[2] for r in rows],
            [seal(own, r[0], r[3]) for r in rows],
        )

    async def add_jobs(self, rows: Sequence[tuple[bytes, bytes, str, int]]) -> None:
        """(webhook, event, type, due) each; a job that is there stays as it is."""
        await self._tx.run(
            "INSERT INTO webhook_jobs(workspace, webhook, event, type, state, attempts, due) "  # noqa: S608
            f"SELECT $1, u.webhook, u.event, u.type, 0, 0, u.due FROM {_JOBS} ON CONFLICT DO NOTHING",
            self._tx.own,
            *_job_columns(rows),
        )

    async def restart_jobs(self, rows: Sequence[tuple[bytes, bytes, str, int]], *, replay: bytes | None) -> None:
        """(webhook, event, type, due) each; a job that is there starts over."""
        once = list({r[:2]: r for r in rows}.values())
        await self._tx.run(
            "INSERT INTO webhook_jobs(workspace, webhook, event, type, state, attempts, due, replay) "  # noqa: S608
            f"SELECT $1, u.webhook, u.event, u.type, 0, 0, u.due, $6 FROM {_JOBS} "
            "ON CONFLICT (workspace, webhook, event) DO UPDATE "
            "SET state = 0, attempts = 0, due = excluded.due, lessee = 0, replay = excluded.replay",
            self._tx.own,
            *_job_columns(once),
            replay,
        )

    async def cancel_jobs(self, webhook: bytes) -> int:
        """Pending jobs of an endpoint end; how many."""
        return await self._tx.run(
            "UPDATE webhook_jobs SET state = $3, due = NULL WHERE workspace = $1 AND webhook = $2 AND state = $4",
            self._tx.own,
            webhook,
            int(JobState.CANCELLED),
            _PENDING,
        )

    async def event_type(self, id: bytes) -> str | None:
        """The type of an event that is still kept."""
        sql = "SELECT type FROM webhook_events WHERE workspace = $1 AND id = $2"
        row = await self._tx.row(sql, self._tx.own, id)
        return row[0] if row else None

    async def event(self, id: bytes) -> tuple[str, int, bytes] | None:
        """(type, at, body) of an event that is still kept."""
        own = self._tx.own
        sql = "SELECT type, at, body FROM webhook_events WHERE workspace = $1 AND id = $2"
        row = await self._tx.row(sql, own, id)
        return (row[0], row[1], self._body.open(own, id, row[2])) if row else None

    async def told(
        self, webhook: bytes, *, before: bytes | None, limit: int, state: JobState | None = None
    ) -> list[Told]:
        """Newest first, by the primary key."""
        sql = f"{_TOLD} AND j.event < $3"
        params: list[object] = [self._tx.own, webhook, _LAST if before is None else before, limit]
        if state is not None:
            sql += " AND j.state = $5"
            params.append(int(state))
        return [_told(r) for r in await self._tx.rows(f"{sql} ORDER BY j.event DESC LIMIT $4", *params)]

    async def told_one(self, webhook: bytes, event: bytes) -> Told | None:
        """One event as an endpoint knows it."""
        row = await self._tx.row(f"{_TOLD} AND j.event = $3", self._tx.own, webhook, event)
        return _told(row) if row else None

    async def events_for(
        self, webhook: bytes, *, since: int, until: int, failed_only: bool, limit: int
    ) -> list[tuple[bytes, str]]:
        """By the range of ids, which begin with the millisecond; the exact time is the event's own."""
        low, high = (since // 1000).to_bytes(6, "big"), (until // 1000 + 1).to_bytes(6, "big")
        sql = (
            "SELECT j.event, j.type FROM webhook_jobs AS j "  # noqa: S608
            "JOIN webhook_events AS e ON e.workspace = j.workspace AND e.id = j.event "
            "WHERE j.workspace = $1 AND j.webhook = $2 AND j.event >= $3 AND j.event < $4 "
            f"AND e.at >= $5 AND e.at < $6 AND j.state {'IN (2, 3)' if failed_only else '<> 0'} "
            "ORDER BY j.event LIMIT $7"
        )
        rows = await self._tx.rows(sql, self._tx.own, webhook, low, high, since, until, limit)
        return [(r[0], r[1]) for r in rows]

    async def add_replay(self, replay: Replay) -> None:
        """One more."""
        r = replay
        await self._tx.run(
            "INSERT INTO webhook_replays(workspace, id, webhook, since, until, only_failed, total, more) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            self._tx.own,
            *(r.id, r.webhook, r.since, r.until, int(r.only_failed), r.total, int(r.more)),
        )

    async def replays(self, webhook: bytes, *, before: bytes | None, limit: int) -> list[Replay]:
        """Newest first."""
        sql = (
            f"SELECT {_REPLAY} FROM webhook_replays WHERE workspace = $1 AND webhook = $2 AND id < $3 "  # noqa: S608
            "ORDER BY id DESC LIMIT $4"
        )
        rows = await self._tx.rows(sql, self._tx.own, webhook, _LAST if before is None else before, limit)
        return [_replay(r) for r in rows]

    async def replay(self, webhook: bytes, id: bytes) -> Replay | None:
        """One of them."""
        sql = f"SELECT {_REPLAY} FROM webhook_replays WHERE workspace = $1 AND webhook = $2 AND id = $3"  # noqa: S608
        row = await self._tx.row(sql, self._tx.own, webhook, id)
        return _replay(row) if row else None

    async def replay_counts(self, webhook: bytes, id: bytes) -> dict[JobState, int]:
        """By an index that holds only what is replayed."""
        sql = (
            "SELECT state, count(*) FROM webhook_jobs WHERE workspace = $1 AND webhook = $2 AND replay = $3 "
            "GROUP BY state"
        )
        return {JobState(r[0]): int(r[1]) for r in await self._tx.rows(sql, self._tx.own, webhook, id)}

    async def finish(self, webhook: bytes, event: bytes, *, number: int, state: JobState, due: int | None) -> bool:
        """Record attempt `number` of a pending job; False when it was recorded or ended meanwhile."""
        return bool(
            await self._tx.run(
                "UPDATE webhook_jobs SET state = $4, attempts = $5, due = $6, lessee = 0 "
                "WHERE workspace = $1 AND webhook = $2 AND event = $3 AND attempts = $5 - 1 AND state = 0",
                self._tx.own,
                webhook,
                event,
                int(state),
                number,
                due,
            )
        )

    async def add_attempt(self, attempt: Attempt) -> None:
        """One recorded try."""
        a, own = attempt, self._tx.own
        await self._tx.run(
            "INSERT INTO webhook_attempts(workspace, webhook, id, event, type, at, number, outcome, status, "
            "elapsed_ms, response, next_due) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
            own,
            *(a.webhook, a.id, a.event, a.type, a.at, a.number, a.outcome, a.status, a.elapsed_ms),
            self._response.seal(own, a.id, a.response.encode()),
            a.next_due,
        )

    async def attempts(
        self, webhook: bytes, *, before: bytes | None, limit: int, event: bytes | None = None
    ) -> list[Attempt]:
        """Tries of an endpoint, newest first, of all events or of one."""
        own = self._tx.own
        sql = (
            "SELECT id, webhook, event, type, at, number, outcome, status, elapsed_ms, response, next_due "
            "FROM webhook_attempts WHERE workspace = $1 AND webhook = $2 AND id < $3"
        )
        params: list[object] = [own, webhook, _LAST if before is None else before, limit]
        if event is not None:
            sql += " AND event = $5"
            params.append(event)
        rows = await self._tx.rows(f"{sql} ORDER BY id DESC LIMIT $4", *params)
        opened = [(*r[:9], self._response.open(own, r[0], r[9]).decode(), r[10]) for r in rows]
        return [Attempt(*r) for r in opened]
