"""SQL of retention: how far content was let go, what waits for an open copy, what is still to be overwritten."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mailward.adapters.storage.sqlite.sql import Sql
from mailward.core.redaction.ports import Rewrite


class SqliteRetention:
    """The retention repository on SQLite. Every method works on a bounded number of rows."""

    def __init__(self, tx: Sql) -> None:
        self._tx = tx

    async def content_upto(self) -> bytes:
        """The message up to which content was let go or waits; empty before the first run."""
        row = self._tx.row("SELECT content_upto FROM retention")
        return bytes(row[0]) if row else b""

    async def advance(self, upto: bytes) -> None:
        """Move that on."""
        self._tx.run(
            "INSERT INTO t_retention(workspace, content_upto) VALUES (scope(), ?) "
            "ON CONFLICT(workspace) DO UPDATE SET content_upto = excluded.content_upto",
            (upto,),
        )

    async def between(self, after: bytes, below: bytes, limit: int) -> list[bytes]:
        """Ids after one and below another, oldest first."""
        sql = "SELECT id FROM messages WHERE id > ? AND id < ? ORDER BY id LIMIT ?"
        return [r[0] for r in self._tx.rows(sql, (after, below, limit))]

    async def open_among(self, messages: Sequence[bytes]) -> set[bytes]:
        """Those of them with a copy that is queued, leased or held."""
        sql = "SELECT 1 FROM deliveries WHERE message = ? AND state <= 2 LIMIT 1"
        return {m for m in messages if self._tx.row(sql, (m,)) is not None}

    async def open_between(self, first: bytes, below: bytes) -> bool:
        """Is any copy of a message in [first, below) open? Walks the open copies, not the messages."""
        for states in ("state < 2", "state = 2"):
            sql = f"SELECT 1 FROM deliveries WHERE {states} AND message >= ? AND message < ? LIMIT 1"  # noqa: S608
            if self._tx.row(sql, (first, below)) is not None:
                return True
        return False

    async def let_go(self, messages: Sequence[bytes], now: int) -> None:
        """Remove the reference to each body that still has one."""
        self._tx.many(
            "UPDATE t_messages SET segment = NULL, seg_offset = NULL, seg_length = NULL, content_gone = ? "
            "WHERE workspace = scope() AND id = ? AND segment IS NOT NULL",
            [(now, m) for m in messages],
        )

    async def wait(self, messages: Iterable[bytes]) -> None:
        """Note that these keep their content past its term, since a copy is open."""
        self._tx.many(
            "INSERT OR IGNORE INTO t_content_waiting(workspace, message) VALUES (scope(), ?)", [(m,) for m in messages]
        )

    async def waiting(self, after: bytes, limit: int) -> list[bytes]:
        """Some of these, oldest first."""
        sql = "SELECT message FROM content_waiting WHERE message > ? ORDER BY message LIMIT ?"
        return [r[0] for r in self._tx.rows(sql, (after, limit))]

    async def waits_between(self, first: bytes, below: bytes) -> bool:
        """Does a message in [first, below) wait, or is a received one's content still kept?"""
        for sql in (
            "SELECT 1 FROM content_waiting WHERE message >= ? AND message < ? LIMIT 1",
            "SELECT 1 FROM received WHERE segment IS NOT NULL AND id >= ? AND id < ? LIMIT 1",
        ):
            if self._tx.row(sql, (first, below)) is not None:
                return True
        return False

    async def waited(self, messages: Iterable[bytes]) -> None:
        """They wait no more."""
        self._tx.many(
            "DELETE FROM t_content_waiting WHERE workspace = scope() AND message = ?", [(m,) for m in messages]
        )

    async def erases_below(self, below: bytes) -> bytes:
        """To the bound itself: rows go one by one."""
        return below

    async def drop_day(self, below: bytes) -> int | None:
        """None: days are not kept apart."""
        return None

    async def strays(self, below: bytes, limit: int) -> list[bytes]:
        """Ids below a bound that attempts or moments name though their message is gone."""
        out: list[bytes] = []
        for table in ("attempts", "timeline"):
            sql = (
                f"SELECT DISTINCT message FROM {table} AS s WHERE message < ? "  # noqa: S608
                "AND NOT EXISTS (SELECT 1 FROM messages AS m WHERE m.id = s.message) LIMIT ?"
            )
            out += [r[0] for r in self._tx.rows(sql, (below, limit))]
        return out

    async def old_answers(self, now: int) -> bool:
        """Is there an idempotent answer past its time?"""
        return self._tx.row("SELECT 1 FROM idempotency WHERE expires < ? LIMIT 1", (now,)) is not None

    async def erase_answers(self, now: int, limit: int) -> int:
        """Remove some of them; how many."""
        return self._tx.run(
            "DELETE FROM t_idempotency WHERE workspace = scope() AND key IN "
            "(SELECT key FROM idempotency WHERE expires < ? LIMIT ?)",
            (now, limit),
        )

    # -- webhook events ------------------------------------------------------------------------

    async def events_before(self, before: int, limit: int) -> list[bytes]:
        """Events from before a time (microseconds UTC) that no endpoint is still to be told."""
        sql = (
            "SELECT id FROM webhook_events AS e WHERE id < ? AND NOT EXISTS (SELECT 1 FROM webhook_jobs AS j "
            "WHERE j.event = e.id AND j.due IS NOT NULL) ORDER BY id LIMIT ?"
        )
        return [r[0] for r in self._tx.rows(sql, (_at(before), limit))]

    async def events_about(self, named: str, moments: Iterable[int]) -> list[bytes]:
        """Events of those moments (microseconds UTC) whose body names a thing. An event's id begins with its time."""
        out: list[bytes] = []
        for ms in sorted({m // 1000 for m in moments}):
            sql = "SELECT id FROM webhook_events WHERE id >= ? AND id < ? AND instr(body, ?) > 0"
            out += [r[0] for r in self._tx.rows(sql, (_at(ms * 1000), _at(ms * 1000 + 1000), named.encode()))]
        return out

    async def telling(self, events: Sequence[bytes]) -> bool:
        """Is an endpoint still to be told one of these?"""
        webhooks = [r[0] for r in self._tx.rows("SELECT id FROM webhooks")] if events else []
        sql = "SELECT 1 FROM webhook_jobs WHERE webhook = ? AND event = ? AND due IS NOT NULL"
        return any(self._tx.row(sql, (w, e)) is not None for w in webhooks for e in events)

    async def rewrite_events(self, events: Sequence[bytes], rewrite: Rewrite, answers: str) -> None:
        """Other bodies for these events; what endpoints answered to them becomes `answers`."""
        for event in events:
            row = self._tx.row("SELECT body FROM webhook_events WHERE id = ?", (event,))
            if row is not None:
                sql = "UPDATE t_webhook_events SET body = ? WHERE workspace = scope() AND id = ?"
                self._tx.run(sql, (rewrite(bytes(row[0])), event))
        webhooks = [r[0] for r in self._tx.rows("SELECT id FROM webhooks")] if events else []
        self._tx.many(
            "UPDATE t_webhook_attempts SET response = ? "
            "WHERE workspace = scope() AND webhook = ? AND event = ? AND response <> ''",
            [(answers, w, e) for w in webhooks for e in events],
        )

    async def erase_events(self, events: Sequence[bytes]) -> None:
        """Remove events with their jobs and attempts, answers of the endpoints included."""
        webhooks = [r[0] for r in self._tx.rows("SELECT id FROM webhooks")]
        pairs = [(w, e) for w in webhooks for e in events]
        for table in ("t_webhook_jobs", "t_webhook_attempts"):
            self._tx.many(
                f"DELETE FROM {table} WHERE workspace = scope() AND webhook = ? AND event = ?",  # noqa: S608
                pairs,
            )
        self._tx.many("DELETE FROM t_webhook_events WHERE workspace = scope() AND id = ?", [(e,) for e in events])

    # -- bodies to overwrite -------------------------------------------------------------------

    async def owe(self, message: bytes, body: tuple[int, int, int], now: int) -> None:
        """Note a body whose octets have to be overwritten."""
        self._tx.run(
            "INSERT OR REPLACE INTO t_erasures(workspace, message, segment, seg_offset, seg_length, at) "
            "VALUES (scope(),?,?,?,?,?)",
            (message, *body, now),
        )

    async def owed(self, limit: int) -> list[tuple[bytes, bytes, tuple[int, int, int]]]:
        """(workspace, message, body) of those, of every workspace. System scope."""
        sql = "SELECT workspace, message, segment, seg_offset, seg_length FROM t_erasures LIMIT ?"
        return [(r[0], r[1], (r[2], r[3], r[4])) for r in self._tx.rows(sql, (limit,))]

    async def paid(self, message: bytes) -> None:
        """Its octets are gone from the disk."""
        self._tx.run("DELETE FROM t_erasures WHERE workspace = scope() AND message = ?", (message,))


def _at(us: int) -> bytes:
    """The smallest id of a time."""
    return max(0, us // 1000).to_bytes(6, "big") + bytes(10)
