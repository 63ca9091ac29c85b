"""SQL of deliveries, attempts and leases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from mailward.core.messages.model import ATTEMPT_DECODER, Attempt, Delivery, DeliveryState, Pause

if TYPE_CHECKING:
    from mailward.adapters.storage.sqlite.sql import Sql
    from mailward.core.delivery.ports import LeasedRow
    from mailward.core.messages.ports import DeliveryRow

# Open copies that are put in order for a search. With more of them the newest messages are open ones.
_FEW_OPEN = 2000
# Leases of a workspace, by the index of open copies: without its own words SQLite would look at every copy there is.
_LEASED = "workspace=? AND state<2 AND due>=0 AND state=1"
_NOBODYS = "lessee NOT IN (SELECT generation FROM worker_slots)"
# Messages whose copies one statement reads.
_TOGETHER = 40
_OF = "SELECT message, n, recipient, state, due, attempts, updated, reason FROM deliveries WHERE message "
_OF_ONE = _OF + "= ? ORDER BY n"
_OF_SOME = f"{_OF} IN ({','.join('?' * _TOGETHER)}) ORDER BY message, n"


class SqliteDeliveries:
    """The deliveries repository on SQLite."""

    def __init__(self, tx: Sql) -> None:
        self._tx = tx

    async def insert(self, rows: Sequence[DeliveryRow]) -> None:
        """Many deliveries in one statement run."""
        self._tx.many(
            "INSERT INTO t_deliveries"
            "(workspace, message, n, recipient, state, due, lessee, attempts, updated, reason, dsn) "
            "VALUES (scope(),?,?,?,?,?,?,0,?,?,?)",
            rows,
        )

    async def of(self, messages: Sequence[bytes]) -> dict[bytes, list[Delivery]]:
        """Deliveries of some messages, each list in recipient order."""
        out: dict[bytes, list[Delivery]] = {message: [] for message in messages}
        ids = list(out)
        while ids:
            some, ids = ids[:_TOGETHER], ids[_TOGETHER:]
            sql = _OF_ONE
            if len(some) > 1:
                # Always as many: one statement that is compiled once. Asked for twice, a message is found once.
                some += [some[-1]] * (_TOGETHER - len(some))
                sql = _OF_SOME
            for r in self._tx.rows(sql, some):
                out[r[0]].append(Delivery(r[0], r[1], r[2], DeliveryState(r[3]), r[4], r[5], r[6], r[7]))
        return out

    async def attempts(self, message: bytes) -> list[Attempt]:
        """Every recorded try, oldest first."""
        sql = "SELECT n, attempt, at, facts FROM attempts WHERE message = ? ORDER BY at, n"
        return [Attempt(r[0], r[1], r[2], ATTEMPT_DECODER.decode(r[3])) for r in self._tx.rows(sql, (message,))]

    async def settle(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Write outcomes; only rows still leased by that lessee change."""
        self._tx.many(
            "UPDATE t_deliveries SET state=?, due=?, attempts=?, updated=?, reason=? "
            "WHERE workspace = scope() AND message = ? AND n = ? AND lessee = ? AND state = 1",
            rows,
        )

    async def without_recipients(self, message: bytes, instead: str) -> None:
        """Another text for the recipient of each ended copy, and nothing for what its sender asked of it."""
        self._tx.run(
            "UPDATE t_deliveries SET recipient = ?, dsn = NULL WHERE workspace = scope() AND message = ? AND state > 2",
            (instead, message),
        )

    async def add_attempts(self, rows: Sequence[tuple[bytes, int, int, int, bytes]]) -> None:
        """(message, n, attempt, at, encoded facts) each."""
        self._tx.many(
            "INSERT OR REPLACE INTO t_attempts(workspace, message, n, attempt, at, facts) VALUES (scope(),?,?,?,?,?)",
            rows,
        )

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
        moved = 0
        for state in states:
            moved += self._tx.run(
                "UPDATE t_deliveries SET state=?, due=?, lessee=0, updated=?, reason=? "
                "WHERE workspace = scope() AND message = ? AND state = ?",
                (int(to), due, now, reason, message, int(state)),
            )
        return moved

    async def bounce_late(self, message: bytes, n: int, *, now: int, reason: str) -> bool:
        """A delivered copy bounced after all."""
        sql = (
            "UPDATE t_deliveries SET state=4, updated=?, reason=? "
            "WHERE workspace = scope() AND message = ? AND n = ? AND state = 3"
        )
        return bool(self._tx.run(sql, (now, reason, message, n)))

    async def held(self, *, after: bytes | None, limit: int) -> list[bytes]:
        """Messages with a held copy, oldest first, by an index that holds only these."""
        sql = "SELECT DISTINCT message FROM deliveries WHERE state = 2 AND message > ? ORDER BY message LIMIT ?"
        return [r[0] for r in self._tx.rows(sql, (after or b"", limit))]

    async def standing(self, state: DeliveryState, *, before: bytes, limit: int) -> list[bytes] | None:
        """By an index that leaves out delivered copies; open ones are ordered here, while they are not too many."""
        if state is DeliveryState.DELIVERED:
            return None
        if state in (DeliveryState.QUEUED, DeliveryState.LEASED):
            sql = "SELECT message, state FROM deliveries WHERE state < 2 LIMIT ?"
            rows = self._tx.rows(sql, (_FEW_OPEN + 1,))
            if len(rows) > _FEW_OPEN:
                return None
            return sorted({r[0] for r in rows if r[1] == state and r[0] < before}, reverse=True)[:limit]
        within = "state = 2" if state is DeliveryState.HELD else "state = ? AND state > 3"
        sql = f"SELECT DISTINCT message FROM deliveries WHERE {within} AND message < ? ORDER BY message DESC LIMIT ?"  # noqa: S608
        given = () if state is DeliveryState.HELD else (int(state),)
        return [r[0] for r in self._tx.rows(sql, (*given, before, limit))]

    async def pauses(self) -> list[Pause]:
        """The workspace's, oldest first."""
        return [Pause(r[0], r[1], r[2]) for r in self._tx.rows("SELECT stream, at, reason FROM pauses ORDER BY at")]

    async def pause(self, pause: Pause) -> bool:
        """False when that stream is paused already."""
        sql = "INSERT INTO t_pauses(workspace, stream, at, reason) VALUES (scope(),?,?,?) ON CONFLICT DO NOTHING"
        return bool(self._tx.run(sql, (pause.stream, pause.at, pause.reason)))

    async def unpause(self, stream: str) -> bool:
        """False when it was not."""
        return bool(self._tx.run("DELETE FROM t_pauses WHERE workspace = scope() AND stream = ?", (stream,)))

    # -- leases: the system scope, all workspaces ------------------------------------------------

    def _with_open(self) -> Iterator[bytes]:
        """Workspaces that have an open delivery, in order, by skipping through the index."""
        last = b""
        while row := self._tx.row("SELECT min(workspace) FROM t_deliveries WHERE state < 2 AND workspace > ?", (last,)):
            if row[0] is None:
                return
            last = row[0]
            yield last

    async def anything_due(self, now: int, without: frozenset[bytes] = frozenset()) -> bool:
        """The next open delivery of each workspace, until one is due."""
        sql = "SELECT 1 FROM t_deliveries WHERE workspace = ? AND state < 2 AND due <= ? LIMIT 1"
        return any(
            self._tx.row(sql, (workspace, now)) is not None
            for workspace in self._with_open()
            if workspace not in without
        )

    async def lease_batch(
        self,
        lessee: int,
        *,
        now: int,
        until: int,
        limit: int,
        turn: int,
        without: frozenset[bytes] = frozenset(),
    ) -> list[LeasedRow]:
        """An even share to each workspace, beginning with another one each turn."""
        workspaces = [workspace for workspace in self._with_open() if workspace not in without]
        if not workspaces:
            return []
        start = turn % len(workspaces)
        share = max(1, limit // len(workspaces))
        out: list[LeasedRow] = []
        left = limit
        for workspace in workspaces[start:] + workspaces[:start]:
            if left <= 0:
                break
            rows = self._tx.rows(
                "SELECT message, n, recipient, attempts, dsn FROM t_deliveries "
                "WHERE workspace = ? AND state < 2 AND due <= ? ORDER BY due LIMIT ?",
                (workspace, now, min(left, share)),
            )
            self._tx.many(
                "UPDATE t_deliveries SET state=1, lessee=?, due=? WHERE workspace=? AND message=? AND n=?",
                [(lessee, until, workspace, r[0], r[1]) for r in rows],
            )
            left -= len(rows)
            sql = "SELECT created, segment, seg_offset, seg_length, facts FROM t_messages WHERE workspace=? AND id=?"
            facts = {m: self._tx.row(sql, (workspace, m)) for m in dict.fromkeys(r[0] for r in rows)}
            for row in rows:
                if (message := facts[row[0]]) is not None:
                    out.append((workspace, *row, *message))
        return out

    async def whose(self, message: bytes) -> bytes | None:
        """One probe a workspace, as messages are found by workspace and id."""
        sql = (
            "SELECT workspace FROM t_workspaces AS w "
            "WHERE EXISTS (SELECT 1 FROM t_messages AS m WHERE m.workspace = w.workspace AND m.id = ?)"
        )
        row = self._tx.row(sql, (message,))
        return row[0] if row else None

    async def paused_streams(self) -> list[tuple[bytes, str]]:
        """(workspace, stream or "") of every pause there is."""
        return [(r[0], r[1]) for r in self._tx.rows("SELECT workspace, stream FROM t_pauses")]

    async def take_slot(self, slot: int, now: int) -> tuple[int, int]:
        """Start a new generation of a worker slot and return its dead predecessor's leases; (generation, returned)."""
        old = self._tx.row("SELECT generation FROM worker_slots WHERE slot = ?", (slot,))
        row = self._tx.row(
            "INSERT INTO counters(name, value) VALUES ('worker_generation', 1) "
            "ON CONFLICT(name) DO UPDATE SET value = value + 1 RETURNING value"
        )
        assert row is not None
        generation = int(row[0])
        self._tx.run("INSERT OR REPLACE INTO worker_slots VALUES (?,?,?)", (slot, generation, now))
        returned = 0
        if old is not None:
            for workspace in self._with_open():
                returned += self._tx.run(
                    f"UPDATE t_deliveries SET state=0, due=?, lessee=0 WHERE {_LEASED} AND lessee=?",  # noqa: S608
                    (now, workspace, int(old[0])),
                )
            for table in ("t_received_copies", "t_webhook_jobs"):
                sql = f"UPDATE {table} SET due=?, lessee=0 WHERE lessee=? AND due IS NOT NULL"  # noqa: S608
                returned += self._tx.run(sql, (now, int(old[0])))
        return generation, returned

    async def slots(self) -> list[int]:
        """Numbers of the workers that have ever started and were not dropped."""
        return [r[0] for r in self._tx.rows("SELECT slot FROM worker_slots ORDER BY slot")]

    async def drop_slot(self, slot: int) -> None:
        """Forget a worker that has no leases any more."""
        self._tx.run("DELETE FROM worker_slots WHERE slot = ?", (slot,))

    async def renew(self, lessee: int, until: int) -> int:
        """Move the end of all leases of a worker; how many."""
        sql = f"UPDATE t_deliveries SET due=? WHERE {_LEASED} AND lessee=?"  # noqa: S608
        return sum(self._tx.run(sql, (until, workspace, lessee)) for workspace in self._with_open())

    async def generations(self) -> frozenset[int]:
        """The lessees there are."""
        return frozenset(r[0] for r in self._tx.rows("SELECT generation FROM worker_slots"))

    async def any_orphans(self) -> bool:
        """Whether there is a lease of a lessee that there is not."""
        sql = f"SELECT 1 FROM t_deliveries WHERE {_LEASED} AND {_NOBODYS} LIMIT 1"  # noqa: S608
        return any(self._tx.rows(sql, (workspace,)) for workspace in self._with_open())

    async def return_orphans(self, now: int) -> int:
        """Make the leases of lessees that there are not due; how many."""
        sql = f"UPDATE t_deliveries SET state=0, due=?, lessee=0 WHERE {_LEASED} AND {_NOBODYS}"  # noqa: S608
        return sum(self._tx.run(sql, (now, workspace)) for workspace in self._with_open())

    async def leased_before(self, lessee: int, until: int) -> list[tuple[bytes, bytes]]:
        """(workspace, message) of each lease of a worker that ends at a time or earlier."""
        sql = f"SELECT DISTINCT message FROM t_deliveries WHERE {_LEASED} AND lessee=? AND due<=?"  # noqa: S608
        return [
            (workspace, r[0]) for workspace in self._with_open() for r in self._tx.rows(sql, (workspace, lessee, until))
        ]

    async def hand_back(self, lessee: int, messages: Sequence[tuple[bytes, bytes]], now: int) -> int:
        """Make a worker's leases of these messages due; how many there were."""
        sql = (
            "UPDATE t_deliveries SET state=0, due=?, lessee=0 WHERE workspace=? AND message=? AND state=1 AND lessee=?"
        )
        return sum(self._tx.run(sql, (now, workspace, message, lessee)) for workspace, message in messages)

    async def queue_depth(self) -> int:
        """Open deliveries of the whole installation."""
        row = self._tx.row("SELECT count(*) FROM t_deliveries WHERE state < 2")
        return int(row[0]) if row else 0
