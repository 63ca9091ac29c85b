"""SQL of the queue across workspaces: leases and worker slots. The system scope."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from mailward.adapters.storage.postgres.scope import SealedSql
    from mailward.adapters.storage.postgres.sql import Row, Sql
    from mailward.core.delivery.ports import LeasedRow

# Workspaces with an open delivery, by skipping from one to the next through the index.
_WITH_OPEN = (
    "RECURSIVE w(workspace) AS ("
    "(SELECT workspace FROM open_deliveries WHERE state < 2 ORDER BY workspace LIMIT 1) UNION ALL "
    "SELECT (SELECT o.workspace FROM open_deliveries AS o WHERE o.state < 2 AND o.workspace > w.workspace "
    "ORDER BY o.workspace LIMIT 1) FROM w WHERE w.workspace IS NOT NULL)"
)
# Every workspace gets an even share of the places ($4), beginning with another one each turn ($5). Rows that another
# worker is just taking are passed over, so that any number of them lease at once without waiting for each other.
_LEASE = (
    f"WITH {_WITH_OPEN}, numbered AS ("  # noqa: S608
    "SELECT workspace, row_number() OVER (ORDER BY workspace) - 1 AS i, count(*) OVER () AS c "
    "FROM w WHERE workspace IS NOT NULL AND workspace <> ALL($6::bytea[])), "
    "turns AS (SELECT workspace, (i - $5::bigint % c + c) % c AS place, greatest(1, $4::bigint / c) AS share "
    "FROM numbered ORDER BY place LIMIT $4), "
    "taken AS MATERIALIZED (SELECT turns.workspace, place, d.message, d.n, d.due FROM turns CROSS JOIN LATERAL ("
    "SELECT o.message, o.n, o.due FROM open_deliveries AS o WHERE o.workspace = turns.workspace AND o.state < 2 "
    "AND o.due <= $2 ORDER BY o.due LIMIT turns.share FOR UPDATE SKIP LOCKED) AS d) "
    "UPDATE open_deliveries AS o SET state = 1, lessee = $1, due = $3 FROM taken "
    "WHERE o.workspace = taken.workspace AND o.message = taken.message AND o.n = taken.n "
    "RETURNING o.workspace, o.message, o.n, o.recipient, o.attempts, taken.place, taken.due"
)
# Worker slots of one node at most.
_SLOTS = 10_000


async def return_to_couriers(tx: Sql, generations: Sequence[int], now: int) -> int:
    """Make due what dead workers were handing over or posting; how many."""
    count = 0
    for table in ("received_copies", "webhook_jobs"):
        sql = f"UPDATE {table} SET due = $1, lessee = 0 WHERE lessee = ANY($2::bigint[]) AND due IS NOT NULL"  # noqa: S608
        count += await tx.run(sql, now, list(generations))
    return count


class PgLeases:
    """Leasing what is due, and whose leases they are."""

    def __init__(self, tx: SealedSql) -> None:
        self._tx = tx
        self._recipient = tx.cipher.column("deliveries", "recipient", daily=True)
        self._message_facts = tx.cipher.column("messages", "facts", daily=True)
        self._reason = tx.cipher.column("deliveries", "reason", daily=True)

    def seal_recipient(self, workspace: bytes, message: bytes, n: int, recipient: str, dsn: str | None) -> bytes:
        """The recipient with what it asked about notifications, as a row holds them."""
        return self._recipient.pack(workspace, message + n.to_bytes(4, "big"), recipient, dsn)

    def open_recipient(self, workspace: bytes, message: bytes, n: int, sealed: bytes) -> tuple[str, str | None]:
        """(recipient, dsn) again."""
        values = self._recipient.unpack(workspace, message + n.to_bytes(4, "big"), sealed)
        return cast("tuple[str, str | None]", values)

    async def whose(self, message: bytes) -> bytes | None:
        """One probe a workspace, in the one partition of the message's day."""
        sql = (
            "SELECT workspace FROM workspaces AS w "
            "WHERE EXISTS (SELECT FROM messages AS m WHERE m.workspace = w.workspace AND m.id = $1)"
        )
        row = await self._tx.row(sql, message)
        return bytes(row[0]) if row else None

    async def anything_due(self, now: int, without: frozenset[bytes] = frozenset()) -> bool:
        """The next open delivery of each workspace, until one is due."""
        row = await self._tx.row(
            f"WITH {_WITH_OPEN} SELECT 1 FROM w CROSS JOIN LATERAL ("  # noqa: S608
            "SELECT 1 FROM open_deliveries AS o WHERE o.workspace = w.workspace AND o.state < 2 AND o.due <= $1 LIMIT 1"
            ") AS d WHERE w.workspace IS NOT NULL AND w.workspace <> ALL($2::bytea[]) LIMIT 1",
            now,
            list(without),
        )
        return row is not None

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
        """Take due deliveries in one statement and read their messages in another."""
        rows = await self._tx.rows(_LEASE, lessee, now, until, limit, turn, list(without))
        if not rows:
            return []
        rows.sort(key=lambda r: (r[5], r[6], r[1], r[2]))  # what is due at one moment comes back in any order
        facts = await self._messages([(r[0], r[1]) for r in rows])
        out: list[LeasedRow] = []
        for workspace, message, n, sealed, attempts, _, _ in rows:
            if (row := facts.get((workspace, message))) is not None:
                recipient, dsn = self.open_recipient(workspace, message, n, sealed)
                out.append((workspace, message, n, recipient, attempts, dsn, *row))
        return out

    async def _messages(self, of: Sequence[tuple[bytes, bytes]]) -> dict[tuple[bytes, bytes], Row]:
        """(created, segment, offset, length, encoded facts) of each (workspace, message)."""
        once = list(dict.fromkeys(of))
        ids = [message for _, message in once]
        # The bounds name the days to look into, which the join alone does not tell the planner.
        rows = await self._tx.rows(
            "SELECT m.workspace, m.id, m.created, m.segment, m.seg_offset, m.seg_length, m.facts "
            "FROM unnest($1::bytea[], $2::bytea[]) AS k(workspace, id) "
            "JOIN messages AS m ON m.workspace = k.workspace AND m.id = k.id WHERE m.id >= $3 AND m.id <= $4",
            [workspace for workspace, _ in once],
            ids,
            min(ids),
            max(ids),
        )
        opened = self._message_facts.open
        return {(r[0], r[1]): (r[2], r[3], r[4], r[5], opened(r[0], r[1], r[6])) for r in rows}

    async def paused_streams(self) -> list[tuple[bytes, str]]:
        """(workspace, stream or "") of every pause there is."""
        return [(r[0], r[1]) for r in await self._tx.rows("SELECT workspace, stream FROM pauses")]

    # -- worker slots -------------------------------------------------------------------------

    async def take_slot(self, slot: int, now: int) -> tuple[int, int]:
        """Start a new generation of a worker slot and return its dead predecessor's leases; (generation, returned)."""
        place = self._first_slot + slot
        old = await self._tx.row("SELECT generation FROM worker_slots WHERE slot = $1 FOR UPDATE", place)
        generation = await self._tx.counters.bump("worker_generation")
        await self._tx.run(
            "INSERT INTO worker_slots(slot, generation, started) VALUES ($1, $2, $3) "
            "ON CONFLICT (slot) DO UPDATE "
            "SET generation = excluded.generation, started = excluded.started, seen = NULL",
            place,
            generation,
            now,
        )
        returned = 0
        if old is not None:
            returned = await self._tx.run(
                "UPDATE open_deliveries SET state = 0, due = $1, lessee = 0 WHERE state = 1 AND lessee = $2",
                now,
                old[0],
            )
            returned += await return_to_couriers(self._tx, [old[0]], now)
        return generation, returned

    async def slots(self) -> list[int]:
        """Numbers of this node's workers that have ever started and were not dropped."""
        first = self._first_slot
        sql = "SELECT slot FROM worker_slots WHERE slot >= $1 AND slot < $2 ORDER BY slot"
        return [r[0] - first for r in await self._tx.rows(sql, first, first + _SLOTS)]

    async def drop_slot(self, slot: int) -> None:
        """Forget a worker that has no leases any more."""
        await self._tx.run("DELETE FROM worker_slots WHERE slot = $1", self._first_slot + slot)

    @property
    def _first_slot(self) -> int:
        """Slots are numbered on each node; in the table every node has a range of its own."""
        return self._tx.node * _SLOTS

    async def queue_depth(self) -> int:
        """Open deliveries of the whole installation."""
        row = await self._tx.row("SELECT count(*) FROM open_deliveries WHERE state < 2")
        return int(row[0]) if row else 0

    async def generations(self) -> frozenset[int]:
        """The lessees there are."""
        return frozenset(r[0] for r in await self._tx.rows("SELECT generation FROM worker_slots"))

    async def any_orphans(self) -> bool:
        """Whether there is a lease of a lessee that there is not."""
        sql = (
            "SELECT 1 FROM open_deliveries AS o WHERE o.state = 1 "
            "AND NOT EXISTS (SELECT FROM worker_slots AS s WHERE s.generation = o.lessee) LIMIT 1"
        )
        return await self._tx.row(sql) is not None

    async def return_orphans(self, now: int) -> int:
        """Make the leases of lessees that there are not due; how many."""
        sql = (
            "UPDATE open_deliveries AS o SET state = 0, due = $1, lessee = 0 WHERE o.state = 1 "
            "AND NOT EXISTS (SELECT FROM worker_slots AS s WHERE s.generation = o.lessee)"
        )
        return await self._tx.run(sql, now)

    async def leased_before(self, lessee: int, until: int) -> list[tuple[bytes, bytes]]:
        """(workspace, message) of each lease of a worker that ends at a time or earlier."""
        sql = "SELECT DISTINCT workspace, message FROM open_deliveries WHERE state = 1 AND lessee = $1 AND due <= $2"
        return [(bytes(r[0]), bytes(r[1])) for r in await self._tx.rows(sql, lessee, until)]

    async def hand_back(self, lessee: int, messages: Sequence[tuple[bytes, bytes]], now: int) -> int:
        """Make a worker's leases of these messages due; how many there were."""
        sql = (
            "UPDATE open_deliveries AS o SET state = 0, due = $1, lessee = 0 "
            "FROM unnest($2::bytea[], $3::bytea[]) AS k(workspace, message) "
            "WHERE o.workspace = k.workspace AND o.message = k.message AND o.state = 1 AND o.lessee = $4"
        )
        return await self._tx.run(sql, now, [w for w, _ in messages], [m for _, m in messages], lessee)

    async def renew(self, lessee: int, until: int) -> int:
        """Move the end of all leases of a worker; how many."""
        sql = "UPDATE open_deliveries SET due = $1 WHERE state = 1 AND lessee = $2"
        return await self._tx.run(sql, until, lessee)
