"""SQL of messages, search tokens, idempotency and usage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mailward.core.messages.model import FACTS_DECODER, HOUR_US, Message

if TYPE_CHECKING:
    from mailward.adapters.storage.postgres.scope import SealedSql
    from mailward.adapters.storage.postgres.sql import Row
    from mailward.core.messages.ports import AnswerRow, MessageRow

_COLUMNS = "id, created, segment, seg_offset, seg_length, facts, content_gone"
# A token on so many messages is a common one; counting further would cost more than it saves.
_COMMON = 2000
_LAST = b"\xff" * 16
# Connections count into rows of their own, as long as there are fewer than this.
_SHARDS = 1021


class PgMessages:
    """The messages repository on PostgreSQL."""

    def __init__(self, tx: SealedSql) -> None:
        self._tx = tx
        self._facts = tx.cipher.column("messages", "facts", daily=True)
        self._moment = tx.cipher.column("timeline", "facts", daily=True)
        self._claimed = tx.cipher.column("idempotency", "sealed_key")

    def _message(self, row: Row) -> Message:
        body = None if row[2] is None else (row[2], row[3], row[4])
        facts = FACTS_DECODER.decode(self._facts.open(self._tx.own, row[0], row[5]))
        return Message(row[0], row[1], body, facts, row[6])

    async def insert(self, rows: Sequence[MessageRow]) -> None:
        """Many messages in one statement."""
        if not rows:
            return
        own, seal = self._tx.own, self._facts.seal
        ids = [r[0] for r in rows]
        await self._tx.partitions.ensure(ids)
        await self._tx.later(
            "INSERT INTO messages(workspace, id, created, segment, seg_offset, seg_length, facts) "
            "SELECT $1, * "
            "FROM unnest($2::bytea[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bytea[])",
            own,
            ids,
            [r[1] for r in rows],
            [r[2] for r in rows],
            [r[3] for r in rows],
            [r[4] for r in rows],
            [seal(own, r[0], r[5]) for r in rows],
        )

    async def get(self, message: bytes) -> Message | None:
        """One message of this workspace."""
        return await self._one(message)

    async def keep(self, message: bytes) -> Message | None:
        """`get` with the row's lock."""
        return await self._one(message, " FOR UPDATE")

    async def _one(self, message: bytes, lock: str = "") -> Message | None:
        sql = f"SELECT {_COLUMNS} FROM messages WHERE workspace = $1 AND id = $2{lock}"  # noqa: S608
        row = await self._tx.row(sql, self._tx.own, message)
        return self._message(row) if row else None

    async def several(self, messages: Sequence[bytes]) -> dict[bytes, Message]:
        """Those of them that exist."""
        sql = f"SELECT {_COLUMNS} FROM messages WHERE workspace = $1 AND id = ANY($2::bytea[])"  # noqa: S608
        return {r[0]: self._message(r) for r in await self._tx.rows(sql, self._tx.own, list(messages))}

    async def page(
        self, *, before: bytes | None, limit: int, since: int | None = None, until: int | None = None
    ) -> list[Message]:
        """Newest first; times are microseconds UTC, ids carry the time, so the primary key serves both."""
        upper = before or _LAST
        if until is not None:
            upper = min(upper, _floor(until // 1000))
        lower = _floor(since // 1000) if since is not None else b""
        sql = (
            f"SELECT {_COLUMNS} FROM messages WHERE workspace = $1 AND id < $2 AND id >= $3 "  # noqa: S608
            "ORDER BY id DESC LIMIT $4"
        )
        return [self._message(r) for r in await self._tx.rows(sql, self._tx.own, upper, lower, limit)]

    # -- search -------------------------------------------------------------------------------

    async def found(self, tokens: Sequence[bytes], *, before: bytes | None, limit: int) -> list[bytes]:
        """Ids that carry every token: walk the list of the rarest token, probe the others."""
        if len(tokens) > 1:
            seldom = "SELECT count(*) FROM (SELECT FROM search WHERE workspace = $1 AND token = $2 LIMIT $3) AS s"
            held = {t: (await self._tx.rows(seldom, self._tx.own, t, _COMMON))[0][0] for t in dict.fromkeys(tokens)}
            tokens = sorted(held, key=lambda t: held[t])
        sql = "SELECT message FROM search AS s WHERE workspace = $1 AND token = $2 AND message < $3"
        params: list[object] = [self._tx.own, tokens[0], before or _LAST]
        for token in tokens[1:]:
            params.append(token)
            sql += (
                " AND EXISTS (SELECT FROM search AS o WHERE o.workspace = $1 "
                f"AND o.token = ${len(params)} AND o.message = s.message)"
            )
        params.append(limit)
        return [r[0] for r in await self._tx.rows(f"{sql} ORDER BY message DESC LIMIT ${len(params)}", *params)]

    async def index(self, rows: Sequence[tuple[bytes, bytes]], upto: bytes) -> None:
        """Write (token, message) pairs and how far the index reaches."""
        await self._tx.partitions.ensure({r[1] for r in rows})
        await self._tx.run(
            "INSERT INTO search(workspace, token, message) SELECT $1, * FROM unnest($2::bytea[], $3::bytea[]) "
            "ON CONFLICT DO NOTHING",
            self._tx.own,
            [r[0] for r in rows],
            [r[1] for r in rows],
        )
        await self._tx.run(
            "INSERT INTO search_progress(workspace, upto) VALUES ($1, $2) "
            "ON CONFLICT (workspace) DO UPDATE SET upto = excluded.upto",
            self._tx.own,
            upto,
        )

    async def indexed_upto(self) -> bytes:
        """The id up to which messages are in the index."""
        row = await self._tx.row("SELECT upto FROM search_progress WHERE workspace = $1", self._tx.own)
        return row[0] if row else b""

    async def after(self, message: bytes, below: bytes, limit: int) -> list[Message]:
        """Oldest first, for the index."""
        sql = f"SELECT {_COLUMNS} FROM messages WHERE workspace = $1 AND id > $2 AND id < $3 ORDER BY id LIMIT $4"  # noqa: S608
        return [self._message(r) for r in await self._tx.rows(sql, self._tx.own, message, below, limit)]

    # -- idempotency and usage ----------------------------------------------------------------

    async def claim_answers(self, rows: Sequence[AnswerRow], now: int) -> dict[bytes, tuple[bytes, bytes]]:
        """Keep each answer under its key unless one is kept there already: those, as (body hash, answer).

        One that is being claimed by another node's transaction is waited for, so of two
        requests under one key one is recorded, wherever they arrive.
        """
        own, token = self._tx.own, self._tx.cipher.token
        # In order of the key: two transactions that want the same keys wait in line, not for each other.
        wanted = sorted((token("idempotency", own, r[0]), r) for r in rows)
        claimed = await self._tx.rows(
            "INSERT INTO idempotency(workspace, key, sealed_key, body, answer, expires) "
            "SELECT $1, * FROM unnest($2::bytea[], $7::bytea[], $3::bytea[], $4::bytea[], $5::bigint[]) "
            "ON CONFLICT (workspace, key) DO UPDATE "
            "SET body = excluded.body, answer = excluded.answer, expires = excluded.expires "
            "WHERE idempotency.expires <= $6 RETURNING key",
            own,
            [key for key, _ in wanted],
            [r[1] for _, r in wanted],
            [r[2] for _, r in wanted],
            [r[3] for _, r in wanted],
            now,
            # The key itself, sealed, is for moving to a store that has no tokens.
            [self._claimed.seal(own, key, r[0]) for key, r in wanted],
        )
        if len(claimed) == len(wanted):
            return {}
        ours = {r[0] for r in claimed}
        taken = {key: r[0] for key, r in wanted if key not in ours}
        kept = await self._tx.rows(
            "SELECT key, body, answer FROM idempotency WHERE workspace = $1 AND key = ANY($2)", own, list(taken)
        )
        return {taken[r[0]]: (r[1], r[2]) for r in kept}

    async def kept_answer(self, key: bytes, now: int) -> tuple[bytes, bytes] | None:
        """One that has not expired."""
        own = self._tx.own
        sql = "SELECT body, answer FROM idempotency WHERE workspace = $1 AND key = $2 AND expires > $3"
        row = await self._tx.row(sql, own, self._tx.cipher.token("idempotency", own, key), now)
        return (row[0], row[1]) if row else None

    async def erase_old_answers(self, now: int) -> None:
        """Remove idempotency answers past their time."""
        await self._tx.run("DELETE FROM idempotency WHERE workspace = $1 AND expires < $2", self._tx.own, now)

    async def count(self, at: int, counts: Mapping[str, int]) -> None:
        """Add to the counters of the hour of `at` (microseconds UTC), in this connection's own rows of them."""
        ordered = sorted(counts.items())
        await self._tx.later(
            "INSERT INTO hours(workspace, hour, what, shard, count) "
            "SELECT $1, $2, what, $5, n FROM unnest($3::text[], $4::bigint[]) AS c(what, n) "
            "ON CONFLICT (workspace, hour, what, shard) DO UPDATE SET count = hours.count + excluded.count",
            self._tx.own,
            at // HOUR_US,
            [what for what, _ in ordered],
            [n for _, n in ordered],
            self._tx.shard % _SHARDS,
        )

    async def usage(self, since_day: int) -> list[tuple[int, str, int]]:
        """(day, what, count) from a day on."""
        sql = (
            "SELECT day, what, sum(count)::bigint FROM ("
            "SELECT day, what, count FROM usage WHERE workspace = $1 AND day >= $2 UNION ALL "
            "SELECT hour / 24 AS day, what, count FROM hours WHERE workspace = $1 AND hour >= $2 * 24) AS u "
            'GROUP BY day, what ORDER BY day, what COLLATE "C"'
        )
        return [(r[0], r[1], r[2]) for r in await self._tx.rows(sql, self._tx.own, since_day)]

    async def hours(self, since_hour: int) -> list[tuple[int, str, int]]:
        """(hour, what, count) from an hour on."""
        sql = (
            "SELECT hour, what, sum(count)::bigint FROM hours WHERE workspace = $1 AND hour >= $2 "
            'GROUP BY hour, what ORDER BY hour, what COLLATE "C"'
        )
        return [(r[0], r[1], r[2]) for r in await self._tx.rows(sql, self._tx.own, since_hour)]

    async def fold(self, before_hour: int) -> int:
        """Hours before one become part of their days; how many rows went."""
        await self._tx.run(
            "INSERT INTO usage(workspace, day, what, shard, count) "
            "SELECT $1, hour / 24, what, $3, sum(count) FROM hours WHERE workspace = $1 AND hour < $2 "
            "GROUP BY hour / 24, what "
            "ON CONFLICT (workspace, day, what, shard) DO UPDATE SET count = usage.count + excluded.count",
            self._tx.own,
            before_hour,
            self._tx.shard % _SHARDS,
        )
        return await self._tx.run("DELETE FROM hours WHERE workspace = $1 AND hour < $2", self._tx.own, before_hour)

    # -- timeline -----------------------------------------------------------------------------

    async def timeline_add(self, message: bytes, at: int, moment: str, facts: str) -> None:
        """A moment that is neither acceptance nor an attempt."""
        await self.timeline_add_all([(message, at, moment, facts)])

    async def timeline_add_all(self, rows: Sequence[tuple[bytes, int, str, str]]) -> None:
        """(message, at, moment, facts) each."""
        own, seal = self._tx.own, self._moment.seal
        once = list({r[:3]: r for r in rows}.values())
        await self._tx.partitions.ensure({r[0] for r in once})
        await self._tx.run(
            "INSERT INTO timeline(workspace, message, at, moment, facts) "
            "SELECT $1, * FROM unnest($2::bytea[], $3::bigint[], $4::text[], $5::bytea[]) "
            "ON CONFLICT (workspace, message, at, moment) DO UPDATE SET facts = excluded.facts",
            own,
            [r[0] for r in once],
            [r[1] for r in once],
            [r[2] for r in once],
            [seal(own, r[0], r[3].encode()) for r in once],
        )

    async def timeline(self, message: bytes) -> list[tuple[int, str, str]]:
        """Those moments, oldest first."""
        own = self._tx.own
        sql = (
            "SELECT at, moment, facts FROM timeline WHERE workspace = $1 AND message = $2 "
            'ORDER BY at, moment COLLATE "C"'
        )
        rows = await self._tx.rows(sql, own, message)
        return [(r[0], r[1], self._moment.open(own, message, r[2]).decode()) for r in rows]

    # -- retention ----------------------------------------------------------------------------

    async def unindex(self, pairs: Sequence[tuple[bytes, bytes]]) -> None:
        """Remove (token, message) pairs from the search index, whose key begins with the token."""
        if not pairs:
            return
        messages = [message for _, message in pairs]
        await self._tx.run(
            "DELETE FROM search AS s USING unnest($2::bytea[], $3::bytea[]) AS u(token, message) "
            "WHERE s.workspace = $1 AND s.token = u.token AND s.message = u.message "
            "AND s.message >= $4 AND s.message <= $5",
            self._tx.own,
            [token for token, _ in pairs],
            messages,
            min(messages),
            max(messages),
        )

    async def rewrite(self, message: bytes, facts: bytes) -> None:
        """Other facts for a message."""
        own = self._tx.own
        sql = "UPDATE messages SET facts = $3 WHERE workspace = $1 AND id = $2"
        await self._tx.run(sql, own, message, self._facts.seal(own, message, facts))

    async def erase(self, ids: Sequence[bytes]) -> None:
        """Remove messages and all that hangs on them, but for their search tokens (`unindex`)."""
        if not ids:
            return
        own = self._tx.own
        await self._tx.run("DELETE FROM messages WHERE workspace = $1 AND id = ANY($2::bytea[])", own, list(ids))
        for table in ("open_deliveries", "deliveries", "attempts", "timeline", "content_waiting", "private_parts"):
            sql = f"DELETE FROM {table} WHERE workspace = $1 AND message = ANY($2::bytea[])"  # noqa: S608
            await self._tx.run(sql, own, list(ids))


def _floor(ms: int) -> bytes:
    """The smallest id of a millisecond."""
    return max(0, ms).to_bytes(6, "big") + b"\x00" * 10
