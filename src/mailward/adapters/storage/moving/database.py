"""PostgreSQL as a source (one snapshot) and as a target."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import asyncpg

from mailward.adapters.storage.moving.embedded import fingerprint_of
from mailward.adapters.storage.moving.sealing import Sealing
from mailward.adapters.storage.moving.side import Key, Page
from mailward.adapters.storage.moving.tables import TABLES, Row, Table, settled
from mailward.adapters.storage.postgres.access import Access
from mailward.adapters.storage.postgres.failures import lost, unavailable
from mailward.adapters.storage.postgres.migrate import require_schema
from mailward.adapters.storage.postgres.moves import MOVE_LOCK
from mailward.adapters.storage.postgres.sealed import INSTALLATION, FieldCipher, day_of
from mailward.adapters.storage.postgres.server import require_server
from mailward.adapters.storage.postgres.sql import SYSTEM_ROLE
from mailward.base.errors import Unavailable
from mailward.core.nodes.model import DEAD_SECONDS

APPLICATION = "mailward-move"
_CONNECT_SECONDS = 10.0
_FINAL = 3
_SCOPE = f"SET LOCAL search_path = mailward; SET LOCAL ROLE {SYSTEM_ROLE}; SET LOCAL statement_timeout = 0; "
_QUIET = "SET LOCAL idle_in_transaction_session_timeout = 0; "
# A page begins behind a place, and statistics know of places only how their first column is spread. With one workspace
# the planner expects a row or none behind any, and takes and sorts all that are left, for each page again.
_IN_ORDER = (
    "SET LOCAL enable_sort = off; SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; "
    "SET LOCAL max_parallel_workers_per_gather = 0; "
)


class InUse(Exception):
    """Somebody works with the database; the text says who and what to do."""


class PostgresSide:
    """Connections as the platform's own role, and the lock that keeps platforms and other moves out."""

    def __init__(self, access: Access, cipher: FieldCipher, db: Any, reading: Any) -> None:
        self._access = access
        self._cipher = cipher
        self._db = db
        self._reading = reading
        self._types: dict[str, dict[str, str]] = {}
        self._names: dict[bytes, str] | None = None
        self._sealings = {t.name: Sealing(t, cipher) for t in TABLES}

    @classmethod
    async def open(cls, access: Access, cipher: FieldCipher, *, snapshot: bool) -> PostgresSide:
        """Take the lock and look who is there. InUse when a platform runs, Unavailable when the database is unfit.

        With `snapshot` all that is read is of one moment: for a source.
        """
        db = await _connect(access)
        try:
            await require_server(db)
            if not await db.fetchval("SELECT pg_try_advisory_lock($1)", MOVE_LOCK):
                raise InUse(f"another move works with {access.where()}")
            # The lock first, then the look: a platform that starts from now on is refused by the lock.
            if others := await db.fetchval(_OTHERS):
                raise InUse(
                    f"a platform runs on {access.where()} ({others} connections; a pooler keeps some for a while): "
                    "stop it on every node"
                )
            async with db.transaction():
                await db.execute(_SCOPE)
                await require_schema(db)
                if nodes := await db.fetchval(_ALIVE, int(DEAD_SECONDS * 1_000_000)):
                    raise InUse(
                        f"workers of node {nodes} were alive less than {DEAD_SECONDS:.0f} seconds ago: stop the "
                        "platform there; after a kill, wait that long"
                    )
            reading = await _connect(access)
        except BaseException:
            db.terminate()
            raise
        side = cls(access, cipher, db, reading)
        if snapshot:
            await reading.execute(f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {_SCOPE}{_QUIET}{_IN_ORDER}")
            await reading.fetch("SELECT 1 FROM counters")
        return side

    async def close(self) -> None:
        """Let go of connections and lock."""
        for db in (self._reading, self._db):
            try:
                await db.close(timeout=5.0)
            except Exception:
                db.terminate()

    # -- reading ------------------------------------------------------------------------------

    async def count(self, table: Table) -> int:
        """How many rows there are, counters that are split taken as one."""
        return int((await self._fetch(f"SELECT count(*) FROM {_from(table)}"))[0][0])  # noqa: S608

    async def pages(self, table: Table, after: Key | None, size: int) -> AsyncIterator[Page]:
        """Rows behind a place, in order, `size` at a time, opened."""
        sealing = self._sealings[table.name]
        types = await self._columns_of(table.name)
        order = ", ".join(_ordered(c, types) for c in sealing.order)
        columns = ", ".join(f'"{c}"' for c in sealing.columns)
        select = f"SELECT {columns} FROM {_from(table)}"  # noqa: S608
        while True:
            where = ""
            if after is not None:
                where = f" WHERE ({order}) > ({', '.join(f'${n + 1}' for n in range(len(after)))})"
            found = await self._fetch(f"{select}{where} ORDER BY {order} LIMIT {size}", *(after or ()))
            if not found:
                return
            page = Page()
            for record in found:
                made = dict(record.items())
                row = sealing.open(made, (await self._domain_names()).get)
                if row is None:
                    page.lost += 1
                else:
                    page.rows.append((tuple(made[c] for c in sealing.order), settled(table, row)))
            yield page
            after = tuple(found[-1][c] for c in sealing.order)

    async def fingerprint(self) -> bytes:
        """Over counters and the length of each log: a start of the platform and each act of an operator move them."""
        async with self._db.transaction():
            await self._db.execute(_SCOPE)
            return fingerprint_of(
                await self._db.fetch("SELECT number, applied FROM schema_migrations ORDER BY number"),
                await self._db.fetch('SELECT name, value FROM counters ORDER BY name COLLATE "C"'),
                await self._db.fetch("SELECT workspace, count(*) FROM audit GROUP BY workspace ORDER BY workspace"),
            )

    async def body_writer(self) -> int:
        """A number for names of bodies that nobody else has."""
        async with self._db.transaction():
            await self._db.execute(_SCOPE)
            return int(await self._db.fetchval("SELECT nextval('body_writers')"))

    async def _fetch(self, sql: str, *params: Any) -> list[Any]:
        db = self._reading
        with _answering():
            if db.is_in_transaction():
                return list(await db.fetch(sql, *params))
            async with db.transaction():
                await db.execute(_SCOPE + _IN_ORDER)
                return list(await db.fetch(sql, *params))

    async def _domain_names(self) -> dict[bytes, str]:
        """token -> name of every domain there is, for selectors whose name was not kept beside the token."""
        if self._names is None:
            details = self._cipher.column("domains", "details")
            rows = await self._fetch("SELECT workspace, id, details FROM domains")
            names = [str(details.unpack(r[0], r[1], r[2])[0]) for r in rows]
            self._names = {self._cipher.token("domain-name", INSTALLATION, n.encode()): n for n in names}
        return self._names

    async def _columns_of(self, table: str) -> dict[str, str]:
        """Column -> type."""
        if table not in self._types:
            sql = (
                "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
                "WHERE attrelid = ('mailward.' || $1::text)::regclass AND attnum > 0 AND NOT attisdropped"
            )
            self._types[table] = {r[0]: r[1] for r in await self._fetch(sql, table)}
        return self._types[table]

    # -- the target's part --------------------------------------------------------------------

    async def first_occupied(self) -> str | None:
        """The name of a table that has rows; None when the store is empty."""
        for table in TABLES:
            if await self._fetch(f"SELECT 1 FROM {_from(table)} LIMIT 1"):  # noqa: S608
                return table.name
        return None

    async def steps(self) -> dict[str, bytes]:
        """The notes a move has left."""
        return {r[0]: r[1] for r in await self._fetch("SELECT step, value FROM moves")}

    async def write(self, table: Table | None, rows: Sequence[Row], notes: dict[str, bytes | None]) -> None:
        """Rows and notes in one durable transaction."""
        db = self._db
        parts: list[tuple[str, Sequence[Row]]] = []
        if table is not None and rows:
            parts = _parts(table, rows)
            for name, _ in parts:
                await self._columns_of(name)
        with _answering():
            async with db.transaction():
                await db.execute(f"{_SCOPE}SET LOCAL synchronous_commit = on")
                if table is not None and table.day and rows:
                    for day in sorted({day_of(row[table.at(table.day)]) for row in rows}):
                        await db.execute("SELECT make_day($1)", day)
                for name, some in parts:
                    assert table is not None
                    await self._insert(name, self._sealings[table.name], some)
                for step, value in notes.items():
                    if value is None:
                        await db.execute("DELETE FROM moves WHERE step = $1", step)
                    else:
                        await db.execute(
                            "INSERT INTO moves(step, value) VALUES ($1, $2) "
                            "ON CONFLICT (step) DO UPDATE SET value = excluded.value",
                            step,
                            value,
                        )

    async def _insert(self, name: str, sealing: Sealing, rows: Sequence[Row]) -> None:
        types, columns = self._types[name], sealing.columns
        sealed = [sealing.seal(row) for row in rows]
        names = ", ".join(f'"{c}"' for c in columns)
        arrays = ", ".join(f"${n + 1}::{types[c]}[]" for n, c in enumerate(columns))
        await self._db.execute(
            f"INSERT INTO {name}({names}) SELECT * FROM unnest({arrays})",  # noqa: S608
            *([row[n] for row in sealed] for n in range(len(columns))),
        )


_OTHERS = (
    "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE datname = current_database() AND usename = current_user "
    "AND application_name = 'mailward'"
)
# Worker slots of a node are numbered in a range of 10,000; a node that was stopped in good order says so.
_ALIVE = (
    "SELECT string_agg(DISTINCT (s.slot / 10000)::text, ', ') FROM worker_slots AS s "
    "LEFT JOIN nodes AS n ON n.node = s.slot / 10000 "
    "WHERE s.seen > (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - $1::bigint "
    "AND NOT coalesce(n.stopped, false)"
)


def _from(table: Table) -> str:
    """What a table's rows are read from: the queue and the past are one, split counters are one."""
    if table.name == "deliveries":
        columns = "workspace, message, n, recipient, state, due, lessee, attempts, updated, reason"
        return f"(SELECT {columns} FROM open_deliveries UNION ALL SELECT {columns} FROM deliveries) AS d"  # noqa: S608
    if table.name in ("usage", "hours"):
        key = ", ".join(table.key)
        return f"(SELECT {key}, 0 AS shard, sum(count)::bigint AS count FROM {table.name} GROUP BY {key}) AS u"  # noqa: S608
    return table.name


def _parts(table: Table, rows: Sequence[Row]) -> list[tuple[str, Sequence[Row]]]:
    """Which table of PostgreSQL takes which rows."""
    if table.name != "deliveries":
        return [(table.name, rows)]
    state = table.at("state")
    still_open = [r for r in rows if r[state] < _FINAL]
    final = [r for r in rows if r[state] >= _FINAL]
    return [(name, some) for name, some in (("open_deliveries", still_open), ("deliveries", final)) if some]


def _ordered(column: str, types: dict[str, str]) -> str:
    """Text in the order of its octets, whatever the database's own order is."""
    return f'"{column}" COLLATE "C"' if types.get(column) == "text" else f'"{column}"'


async def _connect(access: Access) -> Any:
    tls = access.tls()
    try:
        return await asyncpg.connect(
            access.url,
            ssl=tls if tls is not None else False,
            timeout=_CONNECT_SECONDS,
            target_session_attrs="read-write",
            server_settings={"application_name": APPLICATION},
        )
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as e:
        raise Unavailable(
            "storage_unavailable", f"The database at {access.where()} does not answer.", detail=type(e).__name__
        ) from e


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    """Connection troubles as Unavailable; a fault of a statement as it is."""
    try:
        yield
    except Exception as e:
        if lost(e):
            raise unavailable(e) from e
        raise
