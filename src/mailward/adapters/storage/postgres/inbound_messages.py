"""SQL of received messages, their copies, attempts and replays of one workspace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mailward.adapters.storage.postgres.inbound_rows import PgInboundRows
from mailward.adapters.storage.postgres.sealed import day_of, first_of
from mailward.core.inbound.model import Attempt, Copy, CopyState, Received, Replay

if TYPE_CHECKING:
    from mailward.core.inbound.ports import ReceivedRow

_LAST = b"\xff" * 17  # sorts after every id
_ATTEMPT = "id, received, route, at, number, outcome, status, elapsed_ms, response, next_due"


class PgInboundMessages(PgInboundRows):
    """What was received, for whom, and how handing it over went."""

    async def add_received(self, rows: Sequence[ReceivedRow]) -> None:
        """Many messages in one statement."""
        if not rows:
            return
        own, facts, reason = self._tx.own, self._facts.seal, self._reason.seal
        await self._tx.partitions.ensure(r[0] for r in rows)
        await self._tx.run(
            "INSERT INTO received(workspace, id, at, segment, seg_offset, seg_length, facts, reason) "
            "SELECT $1, * FROM unnest($2::bytea[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], "
            "$7::bytea[], $8::bytea[])",
            own,
            *([r[i] for r in rows] for i in range(5)),
            [facts(own, r[0], r[5]) for r in rows],
            [reason(own, r[0], r[6].encode()) for r in rows],
        )

    async def add_copies(self, rows: Sequence[tuple[bytes, bytes, int, int | None, int]]) -> None:
        """(received, route, state, due, attempts) each."""
        if not rows:
            return
        await self._tx.run(
            "INSERT INTO received_copies(workspace, received, route, state, due, attempts) "
            "SELECT $1, * FROM unnest($2::bytea[], $3::bytea[], $4::smallint[], $5::bigint[], $6::integer[])",
            self._tx.own,
            *([r[i] for r in rows] for i in range(5)),
        )

    async def known(self, ids: Sequence[bytes]) -> set[bytes]:
        """Those that are recorded."""
        sql = "SELECT id FROM received WHERE workspace = $1 AND id = ANY($2::bytea[])"
        return {r[0] for r in await self._tx.rows(sql, self._tx.own, list(ids))}

    async def keeping(self, ids: Sequence[bytes]) -> set[bytes]:
        """Those whose content is kept."""
        sql = "SELECT id FROM received WHERE workspace = $1 AND id = ANY($2::bytea[]) AND segment IS NOT NULL"
        return {r[0] for r in await self._tx.rows(sql, self._tx.own, list(ids))}

    async def received(self, id: bytes) -> Received | None:
        """One message."""
        sql = f"SELECT {self.RECEIVED} FROM received WHERE workspace = $1 AND id = $2"  # noqa: S608
        row = await self._tx.row(sql, self._tx.own, id)
        return self.received_of(row) if row else None

    async def page(
        self, *, before: bytes | None, limit: int, route: bytes | None = None, state: CopyState | None = None
    ) -> list[Received]:
        """Newest first. With a route or a state the copies' indexes are walked."""
        upper = _LAST if before is None else before
        if route is None and state is None:
            sql = f"SELECT {self.RECEIVED} FROM received WHERE workspace = $1 AND id < $2 ORDER BY id DESC LIMIT $3"  # noqa: S608
            return [self.received_of(r) for r in await self._tx.rows(sql, self._tx.own, upper, limit)]
        sql = "SELECT DISTINCT received FROM received_copies WHERE workspace = $1 AND received < $2"
        params: list[object] = [self._tx.own, upper, limit]
        if route is not None:
            sql += " AND route = $4"
            params.append(route)
        if state is not None:
            # Written out: the index of states is partial, and a bound value would not tell that it serves.
            sql += f" AND state = {int(state)}"
        found = await self._tx.rows(sql + " ORDER BY received DESC LIMIT $3", *params)
        sql = f"SELECT {self.RECEIVED} FROM received WHERE workspace = $1 AND id = ANY($2::bytea[]) ORDER BY id DESC"  # noqa: S608
        return [self.received_of(r) for r in await self._tx.rows(sql, self._tx.own, [r[0] for r in found])]

    async def copies(self, received: Sequence[bytes]) -> dict[bytes, list[Copy]]:
        """The copies of each message."""
        out: dict[bytes, list[Copy]] = {m: [] for m in received}
        sql = (
            "SELECT received, route, state, attempts, due FROM received_copies "
            "WHERE workspace = $1 AND received = ANY($2::bytea[]) ORDER BY route"
        )
        for r in await self._tx.rows(sql, self._tx.own, list(received)):
            out[r[0]].append(Copy(r[0], r[1], CopyState(r[2]), r[3], r[4]))
        return out

    async def copies_for(
        self, route: bytes | None, *, since: int, until: int, failed_only: bool, limit: int
    ) -> list[tuple[bytes, bytes]]:
        """By the range of ids, which begin with the millisecond; the exact time is the message's own."""
        sql = (
            "SELECT c.received, c.route FROM received_copies AS c "  # noqa: S608
            "JOIN received AS m ON m.workspace = c.workspace AND m.id = c.received "
            "WHERE c.workspace = $1 AND c.received >= $2 AND c.received < $3 AND m.at >= $4 AND m.at < $5 "
            f"AND m.segment IS NOT NULL AND c.state IN ({'2, 5' if failed_only else '1, 2, 5'})"
        )
        params: list[object] = [self._tx.own, _floor(since), _floor(until + 1000), since, until, limit]
        if route is not None:
            sql += " AND c.route = $7"
            params.append(route)
        return [(r[0], r[1]) for r in await self._tx.rows(sql + " ORDER BY c.received, c.route LIMIT $6", *params)]

    async def restart(self, rows: Sequence[tuple[bytes, bytes, int]], *, replay: bytes | None) -> None:
        """(received, route, due) each."""
        once = list({r[:2]: r for r in rows}.values())
        if not once:
            return
        await self._tx.run(
            "INSERT INTO received_copies(workspace, received, route, due, state, attempts, replay) "
            "SELECT $1, u.received, u.route, u.due, 0, 0, $5 "
            "FROM unnest($2::bytea[], $3::bytea[], $4::bigint[]) AS u(received, route, due) "
            "ON CONFLICT (workspace, route, received) DO UPDATE "
            "SET state = 0, attempts = 0, due = excluded.due, lessee = 0, replay = excluded.replay",
            self._tx.own,
            *([r[i] for r in once] for i in range(3)),
            replay,
        )

    async def move(self, received: bytes, state: CopyState, to: CopyState, *, due: int | None) -> int:
        """Move a message's copies that stand in `state`; how many."""
        return await self._tx.run(
            "UPDATE received_copies SET state = $3, due = $4, lessee = 0 "
            "WHERE workspace = $1 AND received = $2 AND state = $5",
            self._tx.own,
            received,
            int(to),
            due,
            int(state),
        )

    async def set_reason(self, received: bytes, reason: str) -> None:
        """Why a message waits for a person."""
        own = self._tx.own
        sealed = self._reason.seal(own, received, reason.encode())
        await self._tx.run("UPDATE received SET reason = $3 WHERE workspace = $1 AND id = $2", own, received, sealed)

    async def end_copies(self, route: bytes) -> int:
        """What waits for a route ends; how many."""
        sql = "UPDATE received_copies SET state = 5, due = NULL WHERE workspace = $1 AND route = $2 AND state = 0"
        return await self._tx.run(sql, self._tx.own, route)

    async def finish(self, received: bytes, route: bytes, *, number: int, state: CopyState, due: int | None) -> bool:
        """Record attempt `number` of a waiting copy; False when it was recorded or ended meanwhile."""
        return bool(
            await self._tx.run(
                "UPDATE received_copies SET state = $4, attempts = $5, due = $6, lessee = 0 "
                "WHERE workspace = $1 AND route = $2 AND received = $3 AND attempts = $5 - 1 AND state = 0",
                self._tx.own,
                route,
                received,
                int(state),
                number,
                due,
            )
        )

    async def add_attempts(self, attempts: Sequence[Attempt]) -> None:
        """Recorded tries."""
        if not attempts:
            return
        own, seal = self._tx.own, self._response.seal
        await self._tx.many(
            f"INSERT INTO received_attempts(workspace, {_ATTEMPT}) "  # noqa: S608
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
            [
                (
                    *(own, a.id, a.received, a.route, a.at, a.number, a.outcome, a.status, a.elapsed_ms),
                    *(seal(own, a.id, a.response.encode()), a.next_due),
                )
                for a in attempts
            ],
        )

    async def attempts(
        self, received: bytes, *, before: bytes | None, limit: int, route: bytes | None = None
    ) -> list[Attempt]:
        """Tries to hand a message over, newest first, to all routes or to one."""
        own = self._tx.own
        sql = f"SELECT {_ATTEMPT} FROM received_attempts WHERE workspace = $1 AND received = $2 AND id < $3"  # noqa: S608
        params: list[object] = [own, received, _LAST if before is None else before, limit]
        if route is not None:
            sql += " AND route = $5"
            params.append(route)
        rows = await self._tx.rows(f"{sql} ORDER BY id DESC LIMIT $4", *params)
        opened = [(*r[:8], self._response.open(own, r[0], r[8]).decode(), r[9]) for r in rows]
        return [Attempt(*r) for r in opened]

    async def add_replay(self, replay: Replay) -> None:
        """One more."""
        r = replay
        await self._tx.run(
            "INSERT INTO inbound_replays(workspace, route, id, since, until, only_failed, total, more) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            self._tx.own,
            *(r.route, r.id, r.since, r.until, int(r.only_failed), r.total, int(r.more)),
        )

    async def replay(self, route: bytes, id: bytes) -> Replay | None:
        """One of them."""
        sql = (
            "SELECT id, route, since, until, only_failed, total, more FROM inbound_replays "
            "WHERE workspace = $1 AND route = $2 AND id = $3"
        )
        r = await self._tx.row(sql, self._tx.own, route, id)
        return Replay(r[0], r[1], r[2], r[3], bool(r[4]), r[5], bool(r[6])) if r else None

    async def replay_counts(self, route: bytes, id: bytes) -> dict[CopyState, int]:
        """By an index that holds only what is replayed."""
        sql = (
            "SELECT state, count(*) FROM received_copies WHERE workspace = $1 AND route = $2 AND replay = $3 "
            "GROUP BY state"
        )
        return {CopyState(r[0]): int(r[1]) for r in await self._tx.rows(sql, self._tx.own, route, id)}

    # -- retention ----------------------------------------------------------------------------

    async def with_content(self, *, after: bytes, below: bytes, limit: int) -> list[bytes]:
        """By the index that holds only messages whose content is kept."""
        sql = (
            "SELECT id FROM received WHERE workspace = $1 AND segment IS NOT NULL AND id > $2 AND id < $3 "
            "ORDER BY id LIMIT $4"
        )
        return [r[0] for r in await self._tx.rows(sql, self._tx.own, after, below, limit)]

    async def older(self, *, below: bytes, limit: int) -> list[bytes]:
        """Of whole days below an id, oldest first: rows of one day go together, as a rule with their partition."""
        sql = "SELECT id FROM received WHERE workspace = $1 AND id < $2 ORDER BY id LIMIT $3"
        return [r[0] for r in await self._tx.rows(sql, self._tx.own, first_of(day_of(below)), limit)]

    async def waiting_among(self, received: Sequence[bytes]) -> set[bytes]:
        """Those of them with a copy that is still to be handed over."""
        sql = (
            "SELECT DISTINCT received FROM received_copies "
            "WHERE workspace = $1 AND received = ANY($2::bytea[]) AND state = 0"
        )
        return {r[0] for r in await self._tx.rows(sql, self._tx.own, list(received))}

    async def let_go(self, received: Sequence[bytes], now: int) -> None:
        """Remove the reference to each body; what was in quarantine ends."""
        own, chosen = self._tx.own, list(received)
        await self._tx.run(
            "UPDATE received SET segment = NULL, seg_offset = NULL, seg_length = NULL, content_gone = $3 "
            "WHERE workspace = $1 AND id = ANY($2::bytea[])",
            own,
            chosen,
            now,
        )
        sql = "UPDATE received_copies SET state = 5 WHERE workspace = $1 AND received = ANY($2::bytea[]) AND state = 3"
        await self._tx.run(sql, own, chosen)

    # -- redaction ----------------------------------------------------------------------------

    async def after(self, message: bytes, below: bytes, limit: int) -> list[bytes]:
        """Ids after one and below another, oldest first."""
        sql = "SELECT id FROM received WHERE workspace = $1 AND id > $2 AND id < $3 ORDER BY id LIMIT $4"
        return [r[0] for r in await self._tx.rows(sql, self._tx.own, message, below, limit)]

    async def unfinished_among(self, received: Sequence[bytes]) -> set[bytes]:
        """Those with a copy that is still to be handed over, or that waits for a person."""
        sql = (
            "SELECT DISTINCT received FROM received_copies "
            "WHERE workspace = $1 AND received = ANY($2::bytea[]) AND state IN (0, 3)"
        )
        return {r[0] for r in await self._tx.rows(sql, self._tx.own, list(received))}

    async def rewrite(self, message: bytes, facts: bytes, reason: str) -> None:
        """Other facts for a message, and another reason."""
        own = self._tx.own
        await self._tx.run(
            "UPDATE received SET facts = $3, reason = $4 WHERE workspace = $1 AND id = $2",
            own,
            message,
            self._facts.seal(own, message, facts),
            self._reason.seal(own, message, reason.encode()),
        )

    async def without_answers(self, message: bytes, instead: str) -> None:
        """Another text for what endpoints answered to it."""
        own = self._tx.own
        sql = "SELECT id FROM received_attempts WHERE workspace = $1 AND received = $2"
        for (id,) in await self._tx.rows(sql, own, message):
            await self._tx.run(
                "UPDATE received_attempts SET response = $4 WHERE workspace = $1 AND received = $2 AND id = $3",
                own,
                message,
                id,
                self._response.seal(own, id, instead.encode()),
            )

    async def erase(self, received: Sequence[bytes]) -> None:
        """Remove messages with copies and attempts."""
        for table in ("received_copies", "received_attempts"):
            sql = f"DELETE FROM {table} WHERE workspace = $1 AND received = ANY($2::bytea[])"  # noqa: S608
            await self._tx.run(sql, self._tx.own, list(received))
        for table, column in (("private_parts", "message"), ("received", "id")):
            sql = f"DELETE FROM {table} WHERE workspace = $1 AND {column} = ANY($2::bytea[])"  # noqa: S608
            await self._tx.run(sql, self._tx.own, list(received))


def _floor(us: int) -> bytes:
    """The smallest id of a time."""
    return max(0, us // 1000).to_bytes(6, "big") + bytes(10)
