"""SQL of messages, search tokens, idempotency and usage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mailward.adapters.storage.sqlite.search import SearchRuns
from mailward.core.messages.model import FACTS_DECODER, HOUR_US, Message

if TYPE_CHECKING:
    from mailward.adapters.storage.sqlite.sql import Row, Sql
    from mailward.core.messages.ports import AnswerRow, MessageRow

_COLUMNS = "id, created, segment, seg_offset, seg_length, facts, content_gone"


def _message(row: Row) -> Message:
    body = None if row[2] is None else (row[2], row[3], row[4])
    return Message(row[0], row[1], body, FACTS_DECODER.decode(row[5]), row[6])


class SqliteMessages:
    """The messages repository on SQLite."""

    def __init__(self, tx: Sql) -> None:
        self._tx = tx
        self._search = SearchRuns(tx)

    async def insert(self, rows: Sequence[MessageRow]) -> None:
        """Many messages in one statement run."""
        self._tx.many(
            "INSERT INTO t_messages(workspace, id, created, segment, seg_offset, seg_length, facts) "
            "VALUES (scope(),?,?,?,?,?,?)",
            rows,
        )

    async def get(self, message: bytes) -> Message | None:
        """One message of this workspace."""
        row = self._tx.row(f"SELECT {_COLUMNS} FROM messages WHERE id = ?", (message,))  # noqa: S608
        return _message(row) if row else None

    async def keep(self, message: bytes) -> Message | None:
        """`get`: whoever writes is alone."""
        return await self.get(message)

    async def several(self, messages: Sequence[bytes]) -> dict[bytes, Message]:
        """Those of them that exist."""
        found = [await self.get(m) for m in messages]
        return {m.id: m for m in found if m is not None}

    async def page(
        self, *, before: bytes | None, limit: int, since: int | None = None, until: int | None = None
    ) -> list[Message]:
        """Newest first; times are microseconds UTC, ids carry the time, so the primary key serves both."""
        upper = before or b"\xff" * 16
        if until is not None:
            upper = min(upper, (max(0, until) // 1000).to_bytes(6, "big") + b"\x00" * 10)
        lower = (max(0, since) // 1000).to_bytes(6, "big") + b"\x00" * 10 if since is not None else b""
        sql = f"SELECT {_COLUMNS} FROM messages WHERE id < ? AND id >= ? ORDER BY id DESC LIMIT ?"  # noqa: S608
        return [_message(r) for r in self._tx.rows(sql, (upper, lower, limit))]

    async def found(self, tokens: Sequence[bytes], *, before: bytes | None, limit: int) -> list[bytes]:
        """Ids that carry every token."""
        return self._search.found(tokens, before=before, limit=limit)

    async def index(self, rows: Sequence[tuple[bytes, bytes]], upto: bytes) -> None:
        """Write (token, message) pairs and how far the index reaches."""
        self._search.add(rows)
        self._tx.run(
            "INSERT INTO t_search_progress(workspace, upto) VALUES (scope(), ?) "
            "ON CONFLICT(workspace) DO UPDATE SET upto = excluded.upto",
            (upto,),
        )

    async def indexed_upto(self) -> bytes:
        """The id up to which messages are in the index."""
        row = self._tx.row("SELECT upto FROM search_progress")
        return row[0] if row else b""

    async def after(self, message: bytes, below: bytes, limit: int) -> list[Message]:
        """Oldest first, for the index."""
        sql = f"SELECT {_COLUMNS} FROM messages WHERE id > ? AND id < ? ORDER BY id LIMIT ?"  # noqa: S608
        return [_message(r) for r in self._tx.rows(sql, (message, below, limit))]

    async def claim_answers(self, rows: Sequence[AnswerRow], now: int) -> dict[bytes, tuple[bytes, bytes]]:
        """Keep each answer under its key unless one is kept there already: those, as key -> (body hash, answer)."""
        kept: dict[bytes, tuple[bytes, bytes]] = {}
        for key, body, answer, expires in rows:
            found = self._tx.row("SELECT body, answer FROM idempotency WHERE key = ? AND expires > ?", (key, now))
            if found is not None:
                kept[key] = (found[0], found[1])
                continue
            self._tx.run(
                "INSERT INTO t_idempotency(workspace, key, expires, body, answer) VALUES (scope(),?,?,?,?) "
                "ON CONFLICT(workspace, key) DO UPDATE "
                "SET expires=excluded.expires, body=excluded.body, answer=excluded.answer",
                (key, expires, body, answer),
            )
        return kept

    async def kept_answer(self, key: bytes, now: int) -> tuple[bytes, bytes] | None:
        """One that has not expired."""
        row = self._tx.row("SELECT body, answer FROM idempotency WHERE key = ? AND expires > ?", (key, now))
        return (row[0], row[1]) if row else None

    async def count(self, at: int, counts: Mapping[str, int]) -> None:
        """Add to the counters of the hour of `at` (microseconds UTC)."""
        hour = at // HOUR_US
        self._tx.many(
            "INSERT INTO t_hours(workspace, hour, what, count) VALUES (scope(),?,?,?) "
            "ON CONFLICT(workspace, hour, what) DO UPDATE SET count = count + excluded.count",
            [(hour, what, n) for what, n in counts.items()],
        )

    async def usage(self, since_day: int) -> list[tuple[int, str, int]]:
        """(day, what, count) from a day on."""
        sql = (
            "SELECT day, what, sum(count) FROM (SELECT day, what, count FROM usage WHERE day >= ?1 "
            "UNION ALL SELECT hour / 24 AS day, what, count FROM hours WHERE hour >= ?1 * 24) "
            "GROUP BY day, what ORDER BY day, what"
        )
        return [(r[0], r[1], r[2]) for r in self._tx.rows(sql, (since_day,))]

    async def hours(self, since_hour: int) -> list[tuple[int, str, int]]:
        """(hour, what, count) from an hour on."""
        sql = "SELECT hour, what, count FROM hours WHERE hour >= ? ORDER BY hour, what"
        return [(r[0], r[1], r[2]) for r in self._tx.rows(sql, (since_hour,))]

    async def fold(self, before_hour: int) -> int:
        """Hours before one become part of their days; how many rows went."""
        self._tx.run(
            "INSERT INTO t_usage(workspace, day, what, count) "
            "SELECT scope(), hour / 24 AS day, what, sum(count) FROM hours WHERE hour < ? GROUP BY day, what "
            "ON CONFLICT(workspace, day, what) DO UPDATE SET count = count + excluded.count",
            (before_hour,),
        )
        return self._tx.run("DELETE FROM t_hours WHERE workspace = scope() AND hour < ?", (before_hour,))

    async def timeline_add(self, message: bytes, at: int, moment: str, facts: str) -> None:
        """A moment that is neither acceptance nor an attempt."""
        await self.timeline_add_all([(message, at, moment, facts)])

    async def timeline_add_all(self, rows: Sequence[tuple[bytes, int, str, str]]) -> None:
        """(message, at, moment, facts) each."""
        self._tx.many(
            "INSERT OR REPLACE INTO t_timeline(workspace, message, at, moment, facts) VALUES (scope(),?,?,?,?)", rows
        )

    async def timeline(self, message: bytes) -> list[tuple[int, str, str]]:
        """Those moments, oldest first."""
        sql = "SELECT at, moment, facts FROM timeline WHERE message = ? ORDER BY at"
        return [(r[0], r[1], r[2]) for r in self._tx.rows(sql, (message,))]

    async def unindex(self, pairs: Sequence[tuple[bytes, bytes]]) -> None:
        """Remove (token, message) pairs from the search index."""
        self._search.remove(pairs)

    async def rewrite(self, message: bytes, facts: bytes) -> None:
        """Other facts for a message."""
        self._tx.run("UPDATE t_messages SET facts = ? WHERE workspace = scope() AND id = ?", (facts, message))

    async def erase(self, ids: Sequence[bytes]) -> None:
        """Remove messages and all that hangs on them, but for their search tokens (`unindex`)."""
        one = [(i,) for i in ids]
        for table in ("t_deliveries", "t_attempts", "t_timeline", "t_content_waiting", "t_private_parts"):
            self._tx.many(f"DELETE FROM {table} WHERE workspace = scope() AND message = ?", one)  # noqa: S608
        self._tx.many("DELETE FROM t_messages WHERE workspace = scope() AND id = ?", one)
