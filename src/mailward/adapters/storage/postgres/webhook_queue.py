"""SQL of the webhook queue: the system scope, all workspaces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mailward.adapters.storage.postgres.webhook_rows import PgWebhookRows
from mailward.core.webhooks.model import Endpoint, Room, SealedSecret, Work

if TYPE_CHECKING:
    from mailward.adapters.storage.postgres.sql import Row

Place = tuple[bytes, bytes]
"""(workspace, endpoint)."""

# Endpoints with an open job, by skipping from one to the next through the index.
_OPEN = (
    "WITH RECURSIVE e(workspace, webhook) AS ("
    "(SELECT workspace, webhook FROM webhook_jobs WHERE due IS NOT NULL ORDER BY workspace, webhook LIMIT 1) UNION ALL "
    "SELECT n.workspace, n.webhook FROM e CROSS JOIN LATERAL ("
    "SELECT j.workspace, j.webhook FROM webhook_jobs AS j WHERE j.due IS NOT NULL "
    "AND (j.workspace, j.webhook) > (e.workspace, e.webhook) ORDER BY j.workspace, j.webhook LIMIT 1) AS n) "
)
# With each, how many jobs are due (up to $2 of them), and the endpoint if it is on.
_WAITING = (
    _OPEN + "SELECT e.workspace, e.webhook, w.details, w.failing_since, (SELECT count(*) FROM ("  # noqa: S608
    "SELECT FROM webhook_jobs AS j WHERE j.workspace = e.workspace AND j.webhook = e.webhook AND j.due <= $1 LIMIT $2"
    ") AS due) FROM e LEFT JOIN webhooks AS w ON w.workspace = e.workspace AND w.id = e.webhook AND w.enabled = 1 "
    "ORDER BY e.workspace, e.webhook"
)
_DUE_BUT_FOR = (
    _OPEN + "SELECT 1 FROM e WHERE e.webhook <> ALL($2::bytea[]) AND EXISTS (SELECT FROM webhook_jobs AS j "  # noqa: S608
    "WHERE j.workspace = e.workspace AND j.webhook = e.webhook AND j.due <= $1) LIMIT 1"
)
# The first due jobs of each endpoint, as many as it was given. A job whose event is no longer kept ends.
_TAKE = (
    "WITH taken AS MATERIALIZED (SELECT p.workspace, p.webhook, p.turn, d.event, d.due "
    "FROM unnest($3::bytea[], $4::bytea[], $5::int[]) WITH ORDINALITY AS p(workspace, webhook, places, turn) "
    "CROSS JOIN LATERAL (SELECT j.event, j.due FROM webhook_jobs AS j WHERE j.workspace = p.workspace "
    "AND j.webhook = p.webhook AND j.due <= $1 ORDER BY j.due LIMIT p.places FOR UPDATE SKIP LOCKED) AS d) "
    "UPDATE webhook_jobs AS j SET due = CASE WHEN e.id IS NOT NULL THEN $2::bigint END, "
    "state = CASE WHEN e.id IS NULL THEN 3 ELSE 0 END, lessee = CASE WHEN e.id IS NULL THEN 0 ELSE $6::bigint END "
    "FROM taken LEFT JOIN webhook_events AS e ON e.workspace = taken.workspace AND e.id = taken.event "
    "WHERE j.workspace = taken.workspace AND j.webhook = taken.webhook AND j.event = taken.event "
    "RETURNING j.workspace, j.webhook, j.event, j.type, j.attempts, e.body, taken.turn, taken.due"
)


class PgWebhookQueue(PgWebhookRows):
    """Leasing what is due, and what the installation does for every workspace."""

    async def anything_due(self, now: int, held: frozenset[bytes]) -> bool:
        """One probe of the index, or one an endpoint when some are held."""
        if held:
            return await self._tx.row(_DUE_BUT_FOR, now, list(held)) is not None
        return await self._tx.row("SELECT 1 FROM webhook_jobs WHERE due <= $1 LIMIT 1", now) is not None

    async def lease(self, *, lessee: int, now: int, until: int, turn: int, room: Room) -> list[Work]:
        """Due jobs, a few an endpoint: one statement looks who waits, one takes the jobs, one reads the secrets."""
        waiting = await self._tx.rows(_WAITING, now, room.each)
        if not waiting:
            return []
        start = turn % len(waiting)
        chosen, off = share(waiting[start:] + waiting[:start], room)
        await self._end_jobs(off)
        if not chosen:
            return []
        jobs = await self._tx.rows(
            _TAKE, now, until, [w for w, _ in chosen], [e for _, e in chosen], [n for n, _ in chosen.values()], lessee
        )
        jobs.sort(key=lambda r: (r[6], r[7], r[2]))
        secrets = await self._secrets_of(list(chosen), now)
        urls = {(r[0], r[1]): self._details.unpack(r[0], r[1], r[2])[0] for r in waiting if (r[0], r[1]) in chosen}
        out: list[Work] = []
        for workspace, webhook, event, type, attempts, body, _, _ in jobs:
            if body is not None:
                place = (workspace, webhook)
                plain = self._body.open(workspace, event, body)
                keys = tuple(secrets.get(place, ()))
                slow = chosen[place][1]
                out.append(Work(workspace, webhook, event, type, attempts + 1, urls[place], plain, keys, slow))
        return out

    async def _end_jobs(self, places: Sequence[Place]) -> None:
        """What waits for an endpoint that is off, or gone, ends."""
        if places:
            await self._tx.run(
                "UPDATE webhook_jobs AS j SET state = 3, due = NULL FROM unnest($1::bytea[], $2::bytea[]) AS p(w, e) "
                "WHERE j.workspace = p.w AND j.webhook = p.e AND j.state = 0",
                [w for w, _ in places],
                [e for _, e in places],
            )

    async def _secrets_of(self, places: Sequence[Place], now: int) -> dict[Place, list[SealedSecret]]:
        rows = await self._tx.rows(
            "SELECT s.workspace, s.webhook, s.created, s.sealed, s.expires "
            "FROM unnest($1::bytea[], $2::bytea[]) AS p(w, e) "
            "JOIN webhook_secrets AS s ON s.workspace = p.w AND s.webhook = p.e "
            "WHERE s.expires IS NULL OR s.expires > $3 ORDER BY s.created DESC",
            [w for w, _ in places],
            [e for _, e in places],
            now,
        )
        out: dict[Place, list[SealedSecret]] = {}
        for workspace, webhook, created, sealed, expires in rows:
            out.setdefault((workspace, webhook), []).append(SealedSecret(created, sealed, expires))
        return out

    async def untold(self, limit: int) -> list[tuple[bytes, Endpoint]]:
        """By an index that holds only these."""
        sql = f"SELECT {self.ENDPOINT} FROM webhooks WHERE owner_told = 'due' ORDER BY disabled_at LIMIT $1"  # noqa: S608
        return [(r[0], self.endpoint(r)) for r in await self._tx.rows(sql, limit)]

    async def set_told(self, workspace: bytes, webhook: bytes, how: str) -> None:
        """The owner was told, or cannot be."""
        sql = "UPDATE webhooks SET owner_told = $1 WHERE workspace = $2 AND id = $3"
        await self._tx.run(sql, how, workspace, webhook)

    async def prune(self, before: int) -> int:
        """Forget events, finished jobs and attempts from before a time; how many events."""
        oldest = (before // 1000).to_bytes(6, "big")
        await self._tx.run("DELETE FROM webhook_attempts WHERE id < $1", oldest)
        await self._tx.run("DELETE FROM webhook_jobs WHERE due IS NULL AND event < $1", oldest)
        await self._tx.run("DELETE FROM webhook_replays WHERE id < $1", oldest)
        return await self._tx.run(
            "DELETE FROM webhook_events AS e WHERE at < $1 AND NOT EXISTS (SELECT FROM webhook_jobs AS j "
            "WHERE j.workspace = e.workspace AND j.event = e.id AND j.due IS NOT NULL)",
            before,
        )


def share(waiting: Sequence[Row], room: Room) -> tuple[dict[Place, tuple[int, bool]], list[Place]]:
    """(endpoint -> its places and whether it has been failing, endpoints that are off though jobs are due)."""
    chosen: dict[Place, tuple[int, bool]] = {}
    off: list[Place] = []
    taken = dict(room.tenants)
    left, slow = room.limit, room.slow
    for workspace, webhook, details, failing_since, due in waiting:
        busy = room.busy.get(webhook, 0)
        places = min(room.each - busy, left, room.tenant - taken.get(workspace, 0))
        failing = details is not None and failing_since is not None
        if failing:
            places = min(places, 1 - busy, slow)
        places = min(places, due)
        if places <= 0:
            continue
        if details is None:
            off.append((workspace, webhook))
            continue
        chosen[workspace, webhook] = (places, failing)
        taken[workspace] = taken.get(workspace, 0) + places
        left -= places
        slow -= places if failing else 0
    return chosen, off
