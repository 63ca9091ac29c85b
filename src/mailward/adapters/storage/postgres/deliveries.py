"""SQL of deliveries and their attempts, of one workspace. Leases are in `leases.py`.

Open deliveries (queued, leased, held) are rows of `open_deliveries`; one that reaches a
final state moves to `deliveries`, in the day of its message.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mailward.adapters.storage.postgres.leases import PgLeases
from mailward.core.messages.model import ATTEMPT_DECODER, OPEN, Attempt, Delivery, DeliveryState, Pause

if TYPE_CHECKING:
    from mailward.adapters.storage.postgres.scope import SealedSql
    from mailward.adapters.storage.postgres.sql import Row
    from mailward.core.messages.ports import DeliveryRow

_OPEN = frozenset(int(s) for s in OPEN)
_COLUMNS = "workspace, message, n, recipient, state, due, lessee, attempts, updated, reason"
_INSERT = (
    " SELECT $1, u.message, u.n, u.recipient, u.state, u.due, u.lessee, 0, u.updated, u.reason "
    "FROM unnest($2::bytea[], $3::int[], $4::bytea[], $5::smallint[], $6::bigint[], $7::bigint[], $8::bigint[], "
    "$9::bytea[]) AS u(message, n, recipient, state, due, lessee, updated, reason)"
)
_SETTLED = (
    "unnest($2::smallint[], $3::bigint[], $4::int[], $5::bigint[], $6::bytea[], $7::bytea[], $8::int[], $9::bigint[]) "
    "AS s(state, due, attempts, updated, reason, message, n, lessee) "
    "WHERE d.workspace = $1 AND d.message = s.message AND d.n = s.n AND d.lessee = s.lessee AND d.state = 1"
)
_SETTLE_OPEN = (
    "UPDATE open_deliveries AS d SET state = s.state, due = s.due, attempts = s.attempts, updated = s.updated, "  # noqa: S608
    f"reason = s.reason FROM {_SETTLED}"
)
_SETTLE_FINAL = (
    f"WITH gone AS (DELETE FROM open_deliveries AS d USING {_SETTLED} "  # noqa: S608
    "RETURNING d.workspace, d.message, d.n, d.recipient, s.state, s.due, d.lessee, s.attempts, s.updated, s.reason) "
    f"INSERT INTO deliveries({_COLUMNS}) SELECT * FROM gone"
)
_MOVED = "workspace, message, n, recipient, $4::smallint, $5::bigint, 0, attempts, $6::bigint, $7::bytea"
_WHICH = "WHERE workspace = $1 AND message = $2 AND state = ANY($3::smallint[])"


class PgDeliveries(PgLeases):
    """The deliveries repository on PostgreSQL; what `PgLeases` holds belongs to the system scope."""

    def __init__(self, tx: SealedSql) -> None:
        super().__init__(tx)
        self._attempt_facts = tx.cipher.column("attempts", "facts", daily=True)
        self._why = tx.cipher.column("pauses", "reason")

    async def insert(self, rows: Sequence[DeliveryRow]) -> None:
        """Many deliveries, in one statement for those that are open and one for those that are not."""
        for table, some in (
            ("open_deliveries", [r for r in rows if r[3] in _OPEN]),
            ("deliveries", [r for r in rows if r[3] not in _OPEN]),
        ):
            if some:
                await self._insert(table, some)
        if any(r[3] == DeliveryState.QUEUED and r[5] == 0 and r[4] <= r[6] for r in rows):
            self._tx.announce("work")

    async def _insert(self, table: str, rows: Sequence[DeliveryRow]) -> None:
        own = self._tx.own
        if table == "deliveries":
            await self._tx.partitions.ensure({r[0] for r in rows})
        await self._tx.later(
            f"INSERT INTO {table}({_COLUMNS}){_INSERT}",
            own,
            [r[0] for r in rows],
            [r[1] for r in rows],
            [self.seal_recipient(own, r[0], r[1], r[2], r[8]) for r in rows],
            [r[3] for r in rows],
            [r[4] for r in rows],
            [r[5] for r in rows],
            [r[6] for r in rows],
            [self._reason.seal_text(own, r[0], r[7]) for r in rows],
        )

    async def of(self, messages: Sequence[bytes]) -> dict[bytes, list[Delivery]]:
        """Deliveries of some messages, each list in recipient order."""
        out: dict[bytes, list[Delivery]] = {m: [] for m in messages}
        if not messages:
            return out
        columns = "message, n, recipient, state, due, attempts, updated, reason"
        sql = " UNION ALL ".join(
            f"SELECT {columns} FROM {t} WHERE workspace = $1 AND message = ANY($2::bytea[])"  # noqa: S608
            for t in ("open_deliveries", "deliveries")
        )
        for row in await self._tx.rows(sql, self._tx.own, list(out)):
            out[row[0]].append(self._delivery(row))
        for found in out.values():
            found.sort(key=lambda d: d.n)
        return out

    def _delivery(self, r: Row) -> Delivery:
        own = self._tx.own
        recipient, _ = self.open_recipient(own, r[0], r[1], r[2])
        reason = self._reason.open_text(own, r[0], r[7])
        return Delivery(r[0], r[1], recipient, DeliveryState(r[3]), r[4], r[5], r[6], reason)

    async def settle(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Write outcomes; only rows still leased by that lessee change."""
        # Of two outcomes for one lease the first counts, as it would one after the other.
        once = list({(r[5], r[6], r[7]): r for r in reversed(rows)}.values())
        still_open = [r for r in once if r[0] in _OPEN]
        final = [r for r in once if r[0] not in _OPEN]
        if final:
            await self._tx.partitions.ensure({r[5] for r in final})
            await self._tx.later(_SETTLE_FINAL, *self._settling(final))
        if still_open:
            await self._tx.later(_SETTLE_OPEN, *self._settling(still_open))

    def _settling(self, rows: Sequence[tuple[Any, ...]]) -> list[Any]:
        own = self._tx.own
        columns = [list(c) for c in zip(*rows, strict=True)]
        columns[4] = [self._reason.seal_text(own, r[5], r[4]) for r in rows]
        return [own, *columns]

    async def move(
        self,
        message: bytes,
        states: Sequence[DeliveryState],
        to: DeliveryState,
        *,
        due: int,
        now: int,
        reason: str | None,
    ) -> int:
        """Move those of a message's deliveries that stand in one of `states`."""
        own = self._tx.own
        sealed = self._reason.seal_text(own, message, reason)
        await self._tx.partitions.ensure([message])
        moved = 0
        target = "open_deliveries" if to in _OPEN else "deliveries"
        for source, of_source in (("open_deliveries", True), ("deliveries", False)):
            some = [int(s) for s in states if (s in _OPEN) is of_source]
            if not some:
                continue
            if source == target:
                sql = f"UPDATE {source} SET state = $4, due = $5, lessee = 0, updated = $6, reason = $7 {_WHICH}"  # noqa: S608
            else:
                sql = (
                    f"WITH gone AS (DELETE FROM {source} {_WHICH} RETURNING {_MOVED}) "  # noqa: S608
                    f"INSERT INTO {target}({_COLUMNS}) SELECT * FROM gone"
                )
            moved += await self._tx.run(sql, own, message, some, int(to), due, now, sealed)
        if moved and to is DeliveryState.QUEUED:
            self._tx.announce("work")
        return moved

    async def attempts(self, message: bytes) -> list[Attempt]:
        """Every recorded try, oldest first."""
        own = self._tx.own
        sql = "SELECT n, attempt, at, facts FROM attempts WHERE workspace = $1 AND message = $2 ORDER BY at, n, attempt"
        return [
            Attempt(r[0], r[1], r[2], ATTEMPT_DECODER.decode(self._attempt_facts.open(own, message, r[3])))
            for r in await self._tx.rows(sql, own, message)
        ]

    async def without_recipients(self, message: bytes, instead: str) -> None:
        """Another text for the recipient of each ended copy, and nothing for what its sender asked of it."""
        own = self._tx.own
        rows = await self._tx.rows("SELECT n FROM deliveries WHERE workspace = $1 AND message = $2", own, message)
        numbers = [int(r[0]) for r in rows]
        await self._tx.run(
            "UPDATE deliveries AS d SET recipient = u.recipient FROM unnest($3::int[], $4::bytea[]) AS u(n, recipient) "
            "WHERE d.workspace = $1 AND d.message = $2 AND d.n = u.n",
            own,
            message,
            numbers,
            [self.seal_recipient(own, message, n, instead, None) for n in numbers],
        )

    async def add_attempts(self, rows: Sequence[tuple[bytes, int, int, int, bytes]]) -> None:
        """(message, n, attempt, at, encoded facts) each."""
        if not rows:
            return
        own, seal = self._tx.own, self._attempt_facts.seal
        await self._tx.partitions.ensure({r[0] for r in rows})
        once = list({r[:3]: r for r in rows}.values())
        await self._tx.later(
            "INSERT INTO attempts(workspace, message, n, attempt, at, facts) "
            "SELECT $1, * FROM unnest($2::bytea[], $3::int[], $4::int[], $5::bigint[], $6::bytea[]) "
            "ON CONFLICT (workspace, message, n, attempt) DO UPDATE SET at = excluded.at, facts = excluded.facts",
            own,
            [r[0] for r in once],
            [r[1] for r in once],
            [r[2] for r in once],
            [r[3] for r in once],
            [seal(own, r[0], r[4]) for r in once],
        )

    # -- holding ------------------------------------------------------------------------------

    async def bounce_late(self, message: bytes, n: int, *, now: int, reason: str) -> bool:
        """A delivered copy bounced after all: a final state for another, in the same table."""
        own = self._tx.own
        sql = (
            "UPDATE deliveries SET state = 4, updated = $4, reason = $5 "
            "WHERE workspace = $1 AND message = $2 AND n = $3 AND state = 3 RETURNING n"
        )
        sealed = self._reason.seal_text(own, message, reason)
        return await self._tx.row(sql, own, message, n, now, sealed) is not None

    async def held(self, *, after: bytes | None, limit: int) -> list[bytes]:
        """Messages with a held copy, oldest first, by an index that holds only these."""
        sql = (
            "SELECT DISTINCT message FROM open_deliveries WHERE workspace = $1 AND state = 2 AND message > $2 "
            "ORDER BY message LIMIT $3"
        )
        return [r[0] for r in await self._tx.rows(sql, self._tx.own, after or b"", limit)]

    async def standing(self, state: DeliveryState, *, before: bytes, limit: int) -> list[bytes] | None:
        """Open copies have a table of their own, the others an index that leaves out delivered ones."""
        if state is DeliveryState.DELIVERED:
            return None
        table, within = ("open_deliveries", "") if state in OPEN else ("deliveries", "AND state > 3 ")
        sql = (
            f"SELECT DISTINCT message FROM {table} WHERE workspace = $1 AND state = $2 {within}AND message < $3 "  # noqa: S608
            "ORDER BY message DESC LIMIT $4"
        )
        return [r[0] for r in await self._tx.rows(sql, self._tx.own, int(state), before, limit)]

    async def pauses(self) -> list[Pause]:
        """The workspace's, oldest first."""
        own = self._tx.own
        rows = await self._tx.rows("SELECT stream, at, reason FROM pauses WHERE workspace = $1 ORDER BY at", own)
        return [Pause(r[0], r[1], self._why.open(own, r[0].encode(), r[2]).decode()) for r in rows]

    async def pause(self, pause: Pause) -> bool:
        """False when that stream is paused already."""
        own = self._tx.own
        sealed = self._why.seal(own, pause.stream.encode(), pause.reason.encode())
        sql = "INSERT INTO pauses(workspace, stream, at, reason) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"
        return bool(await self._tx.run(sql, own, pause.stream, pause.at, sealed))

    async def unpause(self, stream: str) -> bool:
        """False when it was not."""
        sql = "DELETE FROM pauses WHERE workspace = $1 AND stream = $2"
        return bool(await self._tx.run(sql, self._tx.own, stream))
