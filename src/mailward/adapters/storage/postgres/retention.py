"""SQL of retention: how far content was let go, what waits for an open copy, what is still to be overwritten."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from mailward.adapters.storage.postgres.sealed import day_of, first_of
from mailward.adapters.storage.postgres.webhook_rows import PgWebhookRows
from mailward.core.redaction.ports import Rewrite

if TYPE_CHECKING:
    from mailward.adapters.storage.postgres.sql import Row


class PgRetention(PgWebhookRows):
    """The retention repository on PostgreSQL. Every method works on a bounded number of rows, or on a whole day."""

    async def content_upto(self) -> bytes:
        """The message up to which content was let go or waits; empty before the first run."""
        row = await self._tx.row("SELECT content_upto FROM retention WHERE workspace = $1", self._tx.own)
        return row[0] if row else b""

    async def advance(self, upto: bytes) -> None:
        """Move that on."""
        await self._tx.run(
            "INSERT INTO retention(workspace, content_upto) VALUES ($1, $2) "
            "ON CONFLICT (workspace) DO UPDATE SET content_upto = excluded.content_upto",
            self._tx.own,
            upto,
        )

    async def between(self, after: bytes, below: bytes, limit: int) -> list[bytes]:
        """Ids after one and below another, oldest first."""
        sql = "SELECT id FROM messages WHERE workspace = $1 AND id > $2 AND id < $3 ORDER BY id LIMIT $4"
        return _first(await self._tx.rows(sql, self._tx.own, after, below, limit))

    async def open_among(self, messages: Sequence[bytes]) -> set[bytes]:
        """Those of them with a copy that is queued, leased or held."""
        sql = "SELECT DISTINCT message FROM open_deliveries WHERE workspace = $1 AND message = ANY($2::bytea[])"
        return set(_first(await self._tx.rows(sql, self._tx.own, list(messages))))

    async def open_between(self, first: bytes, below: bytes) -> bool:
        """Is any copy of a message in [first, below) open?"""
        sql = "SELECT 1 FROM open_deliveries WHERE workspace = $1 AND message >= $2 AND message < $3 LIMIT 1"
        return await self._tx.row(sql, self._tx.own, first, below) is not None

    async def let_go(self, messages: Sequence[bytes], now: int) -> None:
        """Remove the reference to each body that still has one."""
        await self._tx.run(
            "UPDATE messages SET segment = NULL, seg_offset = NULL, seg_length = NULL, content_gone = $3 "
            "WHERE workspace = $1 AND id = ANY($2::bytea[]) AND segment IS NOT NULL",
            self._tx.own,
            list(messages),
            now,
        )

    async def wait(self, messages: Iterable[bytes]) -> None:
        """Note that these keep their content past its term, since a copy is open."""
        await self._tx.run(
            "INSERT INTO content_waiting(workspace, message) SELECT $1, * FROM unnest($2::bytea[]) "
            "ON CONFLICT DO NOTHING",
            self._tx.own,
            list(messages),
        )

    async def waiting(self, after: bytes, limit: int) -> list[bytes]:
        """Some of these, oldest first."""
        sql = "SELECT message FROM content_waiting WHERE workspace = $1 AND message > $2 ORDER BY message LIMIT $3"
        return _first(await self._tx.rows(sql, self._tx.own, after, limit))

    async def waits_between(self, first: bytes, below: bytes) -> bool:
        """Does a message in [first, below) wait, or is a received one's content still kept?"""
        sql = (
            "SELECT 1 FROM content_waiting WHERE workspace = $1 AND message >= $2 AND message < $3 "
            "UNION ALL SELECT 1 FROM received WHERE workspace = $1 AND id >= $2 AND id < $3 AND segment IS NOT NULL "
            "LIMIT 1"
        )
        return await self._tx.row(sql, self._tx.own, first, below) is not None

    async def waited(self, messages: Iterable[bytes]) -> None:
        """They wait no more."""
        sql = "DELETE FROM content_waiting WHERE workspace = $1 AND message = ANY($2::bytea[])"
        await self._tx.run(sql, self._tx.own, list(messages))

    async def strays(self, below: bytes, limit: int) -> list[bytes]:
        """Ids below a bound that attempts or moments name though their message is gone."""
        out: list[bytes] = []
        for table in ("attempts", "timeline"):
            sql = (
                f"SELECT DISTINCT message FROM {table} AS s WHERE workspace = $1 AND message < $2 "  # noqa: S608
                "AND NOT EXISTS (SELECT FROM messages AS m WHERE m.workspace = s.workspace AND m.id = s.message) "
                "LIMIT $3"
            )
            out += _first(await self._tx.rows(sql, self._tx.own, below, limit))
        return out

    # -- days ---------------------------------------------------------------------------------

    async def erases_below(self, below: bytes) -> bytes:
        """The begin of the bound's day: rows of one day go together, as a rule with their partition."""
        return first_of(day_of(below))

    async def drop_day(self, below: bytes) -> int | None:
        """Drop the oldest day that lies wholly below a bound: how many messages it had, None without such a day.

        The caller knows that no workspace keeps messages of those days. A day with an open
        delivery stays, for its rows to go one by one. System scope.
        """
        end = day_of(below)
        for day in await self._tx.partitions.days():
            if day >= end:
                break
            sql = (
                "SELECT (SELECT count(*) FROM messages WHERE id >= first_id($1) AND id < first_id($2)) + "
                "(SELECT count(*) FROM received WHERE id >= first_id($1) AND id < first_id($2))"
            )
            row = await self._tx.row(sql, day, day + 1)
            if await self._tx.partitions.drop(day):
                return int(row[0]) if row else 0
        return None

    async def old_answers(self, now: int) -> bool:
        """Is there an idempotent answer past its time?"""
        sql = "SELECT 1 FROM idempotency WHERE workspace = $1 AND expires < $2 LIMIT 1"
        return await self._tx.row(sql, self._tx.own, now) is not None

    async def erase_answers(self, now: int, limit: int) -> int:
        """Remove some of them; how many."""
        return await self._tx.run(
            "DELETE FROM idempotency WHERE workspace = $1 AND key IN "
            "(SELECT key FROM idempotency WHERE workspace = $1 AND expires < $2 LIMIT $3)",
            self._tx.own,
            now,
            limit,
        )

    # -- webhook events ------------------------------------------------------------------------

    async def events_before(self, before: int, limit: int) -> list[bytes]:
        """Events from before a time (microseconds UTC) that no endpoint is still to be told."""
        sql = (
            "SELECT id FROM webhook_events AS e WHERE workspace = $1 AND id < $2 AND NOT EXISTS ("
            "SELECT FROM webhook_jobs AS j WHERE j.workspace = e.workspace AND j.event = e.id AND j.due IS NOT NULL) "
            "ORDER BY id LIMIT $3"
        )
        return _first(await self._tx.rows(sql, self._tx.own, _at(before), limit))

    async def events_about(self, named: str, moments: Iterable[int]) -> list[bytes]:
        """Events of those moments (microseconds UTC) whose body names a thing. An event's id begins with its time."""
        own = self._tx.own
        ms = sorted({m // 1000 for m in moments})
        rows = await self._tx.rows(
            "SELECT e.id, e.body FROM unnest($2::bytea[], $3::bytea[]) AS r(low, high) "
            "JOIN webhook_events AS e ON e.workspace = $1 AND e.id >= r.low AND e.id < r.high ORDER BY e.id",
            own,
            [_at(m * 1000) for m in ms],
            [_at(m * 1000 + 1000) for m in ms],
        )
        return [id for id, body in rows if named.encode() in self._body.open(own, id, body)]

    async def telling(self, events: Sequence[bytes]) -> bool:
        """Is an endpoint still to be told one of these?"""
        sql = (
            "SELECT 1 FROM webhook_jobs WHERE workspace = $1 AND event = ANY($2::bytea[]) AND due IS NOT NULL "
            "AND webhook IN (SELECT id FROM webhooks WHERE workspace = $1) LIMIT 1"
        )
        return bool(events) and await self._tx.row(sql, self._tx.own, list(events)) is not None

    async def rewrite_events(self, events: Sequence[bytes], rewrite: Rewrite, answers: str) -> None:
        """Other bodies for these events; what endpoints answered to them becomes `answers`."""
        if not events:
            return
        own, body = self._tx.own, self._body
        sql = "SELECT id, body FROM webhook_events WHERE workspace = $1 AND id = ANY($2::bytea[])"
        for id, stored in await self._tx.rows(sql, own, list(events)):
            sealed = body.seal(own, id, rewrite(body.open(own, id, stored)))
            await self._tx.run("UPDATE webhook_events SET body = $3 WHERE workspace = $1 AND id = $2", own, id, sealed)
        sql = (
            "SELECT webhook, id FROM webhook_attempts WHERE workspace = $1 AND event = ANY($2::bytea[]) "
            "AND webhook IN (SELECT id FROM webhooks WHERE workspace = $1)"
        )
        for webhook, id in await self._tx.rows(sql, own, list(events)):
            await self._tx.run(
                "UPDATE webhook_attempts SET response = $4 WHERE workspace = $1 AND webhook = $2 AND id = $3",
                own,
                webhook,
                id,
                self._response.seal(own, id, answers.encode()),
            )

    async def erase_events(self, events: Sequence[bytes]) -> None:
        """Remove events with their jobs and attempts, answers of the endpoints included."""
        own = self._tx.own
        webhooks = _first(await self._tx.rows("SELECT id FROM webhooks WHERE workspace = $1", own))
        for table in ("webhook_jobs", "webhook_attempts"):
            sql = f"DELETE FROM {table} WHERE workspace = $1 AND webhook = ANY($2) AND event = ANY($3::bytea[])"  # noqa: S608
            await self._tx.run(sql, own, webhooks, list(events))
        sql = "DELETE FROM webhook_events WHERE workspace = $1 AND id = ANY($2::bytea[])"
        await self._tx.run(sql, own, list(events))

    # -- bodies to overwrite -------------------------------------------------------------------

    async def owe(self, message: bytes, body: tuple[int, int, int], now: int) -> None:
        """Note a body whose octets have to be overwritten."""
        await self._tx.run(
            "INSERT INTO erasures(workspace, message, segment, seg_offset, seg_length, at) "
            "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (workspace, message) DO UPDATE SET "
            "segment = excluded.segment, seg_offset = excluded.seg_offset, seg_length = excluded.seg_length, "
            "at = excluded.at",
            self._tx.own,
            message,
            *body,
            now,
        )

    async def owed(self, limit: int) -> list[tuple[bytes, bytes, tuple[int, int, int]]]:
        """(workspace, message, body) of those, of every workspace. System scope."""
        sql = "SELECT workspace, message, segment, seg_offset, seg_length FROM erasures LIMIT $1"
        return [(r[0], r[1], (r[2], r[3], r[4])) for r in await self._tx.rows(sql, limit)]

    async def paid(self, message: bytes) -> None:
        """Its octets are gone."""
        await self._tx.run("DELETE FROM erasures WHERE workspace = $1 AND message = $2", self._tx.own, message)


def _first(rows: Sequence[Row]) -> list[bytes]:
    return [r[0] for r in rows]


def _at(us: int) -> bytes:
    """The smallest id of a time."""
    return max(0, us // 1000).to_bytes(6, "big") + bytes(10)
