"""SQL of received messages, their copies, attempts and replays of one workspace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mailward.adapters.storage.sqlite.inbound_rows import RECEIVED, received_of
from mailward.core.inbound.model import Attempt, Copy, CopyState, Received, Replay

if TYPE_CHECKING:
    from mailward.adapters.storage.sqlite.sql import Sql
    from mailward.core.inbound.ports import ReceivedRow

_LAST = b"\xff" * 17  # sorts after every id
_ATTEMPT = "id, received, route, at, number, outcome, status, elapsed_ms, response, next_due"
_WAITING, _QUARANTINED, _EXPIRED = int(CopyState.RECEIVED), int(CopyState.QUARANTINED), int(CopyState.EXPIRED)


class SqliteInboundMessages:
    """What was received, for whom, and how handing it over went."""

    _tx: Sql

    async def add_received(self, rows: Sequence[ReceivedRow]) -> None:
        """Many messages in one statement run."""
        self._tx.many(
            "INSERT INTO t_received(workspace, id, at, segment, seg_offset, seg_length, facts, reason) "
            "VALUES (scope(),?,?,?,?,?,?,?)",
            rows,
        )

    async def add_copies(self, rows: Sequence[tuple[bytes, bytes, int, int | None, int]]) -> None:
        """(received, route, state, due, attempts) each."""
        self._tx.many(
            "INSERT INTO t_received_copies(workspace, received, route, state, due, attempts) "
            "VALUES (scope(),?,?,?,?,?)",
            rows,
        )

    async def known(self, ids: Sequence[bytes]) -> set[bytes]:
        """Those that are recorded."""
        return {i for i in ids if self._tx.row("SELECT 1 FROM received WHERE id = ?", (i,)) is not None}

    async def keeping(self, ids: Sequence[bytes]) -> set[bytes]:
        """Those whose content is kept."""
        sql = "SELECT 1 FROM received WHERE id = ? AND segment IS NOT NULL"
        return {i for i in ids if self._tx.row(sql, (i,)) is not None}

    async def received(self, id: bytes) -> Received | None:
        """One message."""
        row = self._tx.row(f"SELECT {RECEIVED} FROM received WHERE id = ?", (id,))  # noqa: S608
        return received_of(row) if row else None

    async def page(
        self, *, before: bytes | None, limit: int, route: bytes | None = None, state: CopyState | None = None
    ) -> list[Received]:
        """Newest first. With a route or a state the copies' indexes are walked."""
        upper = _LAST if before is None else before
        if route is None and state is None:
            sql = f"SELECT {RECEIVED} FROM received WHERE id < ? ORDER BY id DESC LIMIT ?"  # noqa: S608
            return [received_of(r) for r in self._tx.rows(sql, (upper, limit))]
        sql = "SELECT DISTINCT received FROM received_copies WHERE received < ?"
        params: list[object] = [upper]
        if route is not None:
            sql += " AND route = ?"
            params.append(route)
        if state is not None:
            # Written out: the index of states is partial, and a bound value would not tell that it serves.
            sql += f" AND state = {int(state)}"
        found = self._tx.rows(sql + " ORDER BY received DESC LIMIT ?", (*params, limit))
        out = [await self.received(r[0]) for r in found]
        return [r for r in out if r is not None]

    async def copies(self, received: Sequence[bytes]) -> dict[bytes, list[Copy]]:
        """The copies of each message."""
        sql = "SELECT received, route, state, attempts, due FROM received_copies WHERE received = ? ORDER BY route"
        return {m: [Copy(r[0], r[1], CopyState(r[2]), r[3], r[4]) for r in self._tx.rows(sql, (m,))] for m in received}

    async def copies_for(
        self, route: bytes | None, *, since: int, until: int, failed_only: bool, limit: int
    ) -> list[tuple[bytes, bytes]]:
        """By the range of ids, which begin with the millisecond; the exact time is the message's own."""
        sql = (
            "SELECT c.received, c.route FROM received_copies c JOIN received m ON m.id = c.received "
            "WHERE c.received >= ? AND c.received < ? AND m.at >= ? AND m.at < ? AND m.segment IS NOT NULL AND c.state "
        )
        sql += "IN (2, 5)" if failed_only else "IN (1, 2, 5)"
        params: list[object] = [_floor(since), _floor(until + 1000), since, until]
        if route is not None:
            sql += " AND c.route = ?"
            params.append(route)
        return [(r[0], r[1]) for r in self._tx.rows(sql + " ORDER BY c.received LIMIT ?", (*params, limit))]

    async def restart(self, rows: Sequence[tuple[bytes, bytes, int]], *, replay: bytes | None) -> None:
        """(received, route, due) each."""
        self._tx.many(
            "INSERT INTO t_received_copies(workspace, received, route, state, attempts, due, replay) "
            "VALUES (scope(),?,?,0,0,?,?) ON CONFLICT DO UPDATE "
            "SET state = 0, attempts = 0, due = excluded.due, lessee = 0, replay = excluded.replay",
            [(*row, replay) for row in rows],
        )

    async def move(self, received: bytes, state: CopyState, to: CopyState, *, due: int | None) -> int:
        """Move a message's copies that stand in `state`; how many."""
        return self._tx.run(
            "UPDATE t_received_copies SET state = ?, due = ?, lessee = 0 "
            "WHERE workspace = scope() AND received = ? AND state = ?",
            (int(to), due, received, int(state)),
        )

    async def set_reason(self, received: bytes, reason: str) -> None:
        """Why a message waits for a person."""
        self._tx.run("UPDATE t_received SET reason = ? WHERE workspace = scope() AND id = ?", (reason, received))

    async def end_copies(self, route: bytes) -> int:
        """What waits for a route ends; how many."""
        return self._tx.run(
            "UPDATE t_received_copies SET state = ?, due = NULL WHERE workspace = scope() AND route = ? AND state = ?",
            (_EXPIRED, route, _WAITING),
        )

    async def finish(self, received: bytes, route: bytes, *, number: int, state: CopyState, due: int | None) -> bool:
        """Record attempt `number` of a waiting copy; False when it was recorded or ended meanwhile."""
        return bool(
            self._tx.run(
                "UPDATE t_received_copies SET state = ?, attempts = ?, due = ?, lessee = 0 "
                "WHERE workspace = scope() AND route = ? AND received = ? AND attempts = ? AND state = 0",
                (int(state), number, due, route, received, number - 1),
            )
        )

    async def add_attempts(self, attempts: Sequence[Attempt]) -> None:
        """Recorded tries."""
        self._tx.many(
            f"INSERT INTO t_received_attempts(workspace, {_ATTEMPT}) "  # noqa: S608
            "VALUES (scope(),?,?,?,?,?,?,?,?,?,?)",
            [
                (a.id, a.received, a.route, a.at, a.number, a.outcome, a.status, a.elapsed_ms, a.response, a.next_due)
                for a in attempts
            ],
        )

    async def attempts(
        self, received: bytes, *, before: bytes | None, limit: int, route: bytes | None = None
    ) -> list[Attempt]:
        """Tries to hand a message over, newest first, to all routes or to one."""
        sql = f"SELECT {_ATTEMPT} FROM received_attempts WHERE received = ? AND id < ?"  # noqa: S608
        params: list[object] = [received, _LAST if before is None else before]
        if route is not None:
            sql += " AND route = ?"
            params.append(route)
        return [Attempt(*r) for r in self._tx.rows(sql + " ORDER BY id DESC LIMIT ?", (*params, limit))]

    async def add_replay(self, replay: Replay) -> None:
        """One more."""
        r = replay
        self._tx.run(
            "INSERT INTO t_inbound_replays(workspace, route, id, since, until, only_failed, total, more) "
            "VALUES (scope(),?,?,?,?,?,?,?)",
            (r.route, r.id, r.since, r.until, int(r.only_failed), r.total, int(r.more)),
        )

    async def replay(self, route: bytes, id: bytes) -> Replay | None:
        """One of them."""
        sql = "SELECT id, route, since, until, only_failed, total, more FROM inbound_replays WHERE route = ? AND id = ?"
        r = self._tx.row(sql, (route, id))
        return Replay(r[0], r[1], r[2], r[3], bool(r[4]), r[5], bool(r[6])) if r else None

    async def replay_counts(self, route: bytes, id: bytes) -> dict[CopyState, int]:
        """By an index that holds only what is replayed."""
        sql = "SELECT state, count(*) FROM received_copies WHERE route = ? AND replay = ? GROUP BY state"
        return {CopyState(r[0]): int(r[1]) for r in self._tx.rows(sql, (route, id))}

    # -- retention ----------------------------------------------------------------------------

    async def with_content(self, *, after: bytes, below: bytes, limit: int) -> list[bytes]:
        """By the index that holds only messages whose content is kept."""
        sql = "SELECT id FROM received WHERE segment IS NOT NULL AND id > ? AND id < ? ORDER BY id LIMIT ?"
        return [r[0] for r in self._tx.rows(sql, (after, below, limit))]

    async def older(self, *, below: bytes, limit: int) -> list[bytes]:
        """Messages below an id, oldest first."""
        return [r[0] for r in self._tx.rows("SELECT id FROM received WHERE id < ? ORDER BY id LIMIT ?", (below, limit))]

    async def waiting_among(self, received: Sequence[bytes]) -> set[bytes]:
        """Those of them with a copy that is still to be handed over."""
        sql = "SELECT 1 FROM received_copies WHERE received = ? AND state = 0 LIMIT 1"
        return {m for m in received if self._tx.row(sql, (m,)) is not None}

    async def let_go(self, received: Sequence[bytes], now: int) -> None:
        """Remove the reference to each body; what was in quarantine ends."""
        self._tx.many(
            "UPDATE t_received SET segment = NULL, seg_offset = NULL, seg_length = NULL, content_gone = ? "
            "WHERE workspace = scope() AND id = ?",
            [(now, m) for m in received],
        )
        self._tx.many(
            "UPDATE t_received_copies SET state = ? WHERE workspace = scope() AND received = ? AND state = ?",
            [(_EXPIRED, m, _QUARANTINED) for m in received],
        )

    # -- redaction ----------------------------------------------------------------------------

    async def after(self, message: bytes, below: bytes, limit: int) -> list[bytes]:
        """Ids after one and below another, oldest first."""
        sql = "SELECT id FROM received WHERE id > ? AND id < ? ORDER BY id LIMIT ?"
        return [r[0] for r in self._tx.rows(sql, (message, below, limit))]

    async def unfinished_among(self, received: Sequence[bytes]) -> set[bytes]:
        """Those with a copy that is still to be handed over, or that waits for a person."""
        sql = "SELECT 1 FROM received_copies WHERE received = ? AND state IN (0, 3) LIMIT 1"
        return {m for m in received if self._tx.row(sql, (m,)) is not None}

    async def rewrite(self, message: bytes, facts: bytes, reason: str) -> None:
        """Other facts for a message, and another reason."""
        sql = "UPDATE t_received SET facts = ?, reason = ? WHERE workspace = scope() AND id = ?"
        self._tx.run(sql, (facts, reason, message))

    async def without_answers(self, message: bytes, instead: str) -> None:
        """Another text for what endpoints answered to it."""
        self._tx.run(
            "UPDATE t_received_attempts SET response = ? WHERE workspace = scope() AND received = ? AND response <> ''",
            (instead, message),
        )

    async def erase(self, received: Sequence[bytes]) -> None:
        """Remove messages with copies and attempts."""
        one = [(m,) for m in received]
        for table in ("t_received_copies", "t_received_attempts"):
            self._tx.many(f"DELETE FROM {table} WHERE workspace = scope() AND received = ?", one)  # noqa: S608
        self._tx.many("DELETE FROM t_private_parts WHERE workspace = scope() AND message = ?", one)
        self._tx.many("DELETE FROM t_received WHERE workspace = scope() AND id = ?", one)


def _floor(us: int) -> bytes:
    """The smallest id of a time."""
    return max(0, us // 1000).to_bytes(6, "big") + bytes(10)
