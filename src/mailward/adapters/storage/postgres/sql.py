"""Running SQL inside the current transaction and scope: what the repositories stand on."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from functools import lru_cache
from typing import Any

import asyncpg

from mailward.adapters.storage import concerns

# Roles a transaction takes on. The login role is a member of both and inherits from neither.
TENANT_ROLE = "mailward_tenant"
SYSTEM_ROLE = "mailward_system"
# Held shared by whoever accepts on what an epoch says, exclusively by whoever moves it, each until its commit.
EPOCHS_LOCK = 0x4D57_4550_4F43_4853
# The setting that the row-level security policies read: the workspace's 16 octets in hex.
SCOPE_SETTING = "mailward.workspace"

_MOVE = (
    "INSERT INTO counters(name, value) SELECT * FROM unnest($1::text[], $2::bigint[]) "
    "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)

# asyncpg's Record: read by position or name, and unpacked like the tuple it is declared as.
Row = tuple[Any, ...]


# The numbers that every transaction begins with, read as the system; what follows is in the scope of the parameters.
ENTER = (
    f"WITH scope AS MATERIALIZED (SELECT set_config('role', $1, true), set_config('{SCOPE_SETTING}', $2, true)) "  # noqa: S608
    "SELECT c.name, c.value FROM scope LEFT JOIN counters AS c "
    "ON c.name IN ('auth_epoch', 'domains_epoch', 'webhooks_epoch')"
)


def entering(workspace: bytes | None) -> tuple[str, str]:
    """The parameters of ENTER for a workspace, or for the system's role when None."""
    return (SYSTEM_ROLE, "") if workspace is None else (TENANT_ROLE, workspace.hex())


def scope_sql(workspace: bytes | None) -> str:
    """Statements that bind the rest of the transaction to a workspace, or to the system's role when None.

    They end with the transaction (`LOCAL`), so a connection given back carries no scope: right behind
    pgbouncer's transaction mode too. The value is hex, never text from outside, so it may stand in the SQL.
    """
    if workspace is None:
        return f"SET LOCAL ROLE {SYSTEM_ROLE}; SET LOCAL {SCOPE_SETTING} = ''"
    return f"SET LOCAL ROLE {TENANT_ROLE}; SET LOCAL {SCOPE_SETTING} = '{workspace.hex()}'"


@lru_cache(maxsize=256)
def as_one(statements: tuple[str, ...]) -> str:
    """Several statements that change rows as one, with the parameters of all of them in their order.

    All of them see what was there before the first (PostgreSQL 15 section 7.8.4), so they are of different tables. Only
    the last may begin with a WITH of its own.
    """
    numbered = []
    before = 0
    for statement in statements:
        numbers = [int(n) for n in _PARAMETER.findall(statement)]
        numbered.append(_PARAMETER.sub(lambda m, before=before: f"${int(m[1]) + before}", statement))  # type: ignore[misc]
        before += max(numbers, default=0)
    *first, last = numbered
    before_last = ", " if last.startswith(_WITH) else " "
    return (
        f"WITH {', '.join(f's{n} AS ({text})' for n, text in enumerate(first))}{before_last}{last.removeprefix(_WITH)}"
    )


_PARAMETER = re.compile(r"\$(\d+)")
_WITH = "WITH "
_CHANGED = re.compile(r"\b(?:INTO|UPDATE|DELETE FROM) (?!SET\b)(\w+)")


def _begins_with(statement: str) -> bool:
    return statement.startswith(_WITH)


@lru_cache(maxsize=1024)
def _meet(one: str, other: str) -> bool:
    """Whether two statements cannot be one: they change rows of the same table, or each begins with a WITH."""
    if _begins_with(one) and _begins_with(other):
        return True
    return not set(_CHANGED.findall(one)).isdisjoint(_CHANGED.findall(other))


class Sql:
    """One connection inside a transaction, and the scope it is bound to. Used for one transaction after another.

    Repositories write statements with `$1` parameters. Their errors are asyncpg's; the engine tells a lost
    connection (Unavailable) from a fault of the statement.
    """

    def __init__(self, connection: Any) -> None:
        self._db = connection
        self._workspace: bytes | None = None
        self._bound = False
        # (epoch of credentials, epoch of domains), and of webhooks, read at the transaction's begin.
        self.epochs: tuple[int, int] = (0, 0)
        self.webhooks_epoch = 0
        # One number a connection: rows that many transactions count in are split by it.
        self.shard = 0
        # The number of the machine: worker numbers count within it.
        self.node = 0
        self.announced: set[str] = set()
        # Epochs that move with this transaction, by its last statements before the commit, and whom each concerns.
        self.moving: list[tuple[str, bytes | None]] = []
        self._put_off: dict[str, tuple[Any, ...]] = {}

    @property
    def workspace(self) -> bytes | None:
        """Raw id of the workspace this transaction is bound to; None in the system scope."""
        return self._workspace

    async def rows(self, sql: str, *params: Any) -> list[Row]:
        """All rows of a statement."""
        self._require_scope()
        if self._put_off:
            await self.catch_up()
        found: list[Row] = await self._db.fetch(sql, *params)
        return found

    async def row(self, sql: str, *params: Any) -> Row | None:
        """The first row, or None."""
        self._require_scope()
        if self._put_off:
            await self.catch_up()
        found: Row | None = await self._db.fetchrow(sql, *params)
        return found

    async def run(self, sql: str, *params: Any) -> int:
        """Execute; returns how many rows it changed (0 for a statement that changes none by its nature)."""
        self._require_scope()
        if self._put_off:
            await self.catch_up()
        # The command tag ends with the count: "UPDATE 3", "INSERT 0 3".
        tag: str = await self._db.execute(sql, *params)
        count = tag.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def later(self, sql: str, *params: Any) -> None:
        """Execute before the next statement, or before the verb ends, together with what else was put off.

        For statements of which nobody asks how many rows they changed. On the message path each answer of the server is
        a turn of a busy loop, which takes far longer than the statement.
        """
        self._require_scope()
        if self._put_off and any(_meet(sql, other) for other in self._put_off):
            await self.catch_up()
        self._put_off[sql] = params

    async def catch_up(self) -> None:
        """Execute what was put off."""
        waiting, self._put_off = self._put_off, {}
        if len(waiting) == 1:
            ((sql, params),) = waiting.items()
            await self._db.execute(sql, *params)
        elif waiting:
            ordered = sorted(waiting, key=_begins_with)
            await self._db.execute(as_one(tuple(ordered)), *(p for text in ordered for p in waiting[text]))

    async def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Execute once for each set of parameters, as one pipeline. For few rows or for upkeep.

        Rows of the message path use `unnest($1::bytea[], ...)` through `run`, or `copy`, which cost one statement.
        """
        self._require_scope()
        await self.catch_up()
        await self._db.executemany(sql, rows)

    async def copy(self, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Put many rows into a table by COPY.

        PostgreSQL refuses COPY into a table with row-level security for whoever is subject to it, and every role
        of ours is: copy into a temporary table (ON COMMIT DROP) and insert from there, which the policies judge.
        """
        self._require_scope()
        await self.catch_up()
        await self._db.copy_records_to_table(table, columns=list(columns), records=rows)

    async def outside(self, sql: str, *params: Any) -> list[Row]:
        """Run one statement in the system scope from inside a workspace's: for epochs that announce a change."""
        async with self.installation():
            return await self.rows(sql, *params)

    @contextlib.asynccontextmanager
    async def installation(self) -> AsyncIterator[None]:
        """Step out of the workspace for a statement on the installation's own tables. For repositories only."""
        held = self._workspace
        if held is None:
            yield
            return
        await self.enter(None)
        try:
            yield
        except asyncpg.PostgresError:
            # The transaction is refused until its savepoint is rolled back, which restores the role as well.
            self._workspace = held
            raise
        except BaseException:
            await self.enter(held)
            raise
        await self.enter(held)

    @contextlib.asynccontextmanager
    async def attempt(self) -> AsyncIterator[None]:
        """A savepoint around statements that may fail: they are undone, their error is raised, the rest stays."""
        await self.catch_up()
        held, moving = (self._workspace, self._bound), list(self.moving)
        await self._db.execute("SAVEPOINT attempt")
        try:
            yield
            await self.catch_up()
        except BaseException:
            self._put_off = {}
            await self._db.execute("ROLLBACK TO SAVEPOINT attempt; RELEASE SAVEPOINT attempt")
            (self._workspace, self._bound), self.moving = held, moving
            raise
        await self._db.execute("RELEASE SAVEPOINT attempt")

    async def move_epochs(self) -> None:
        """Move what is to move: wait for those who accept by the old epochs, keep new ones waiting until we commit.

        The last statements before the commit: whoever has the lock waits for nobody, so that verbs which take it and
        others (the audit tree's, a row's) in whatever order never wait for each other, and mail waits for a commit
        only.
        """
        await self.enter(None)
        await self.rows("SELECT pg_advisory_xact_lock($1)", EPOCHS_LOCK)
        whose: dict[str, list[bytes | None]] = {}
        for name, workspace in self.moving:
            whose.setdefault(name, []).append(workspace)
        asked = [*whose, *map(concerns.last, whose)]
        found: dict[str, int] = {
            r[0]: r[1] for r in await self.rows("SELECT name, value FROM counters WHERE name = ANY($1)", asked)
        }
        moved: dict[str, int] = {}
        for name, workspaces in whose.items():
            before = found.get(name, 0)
            moved[name] = before + len(workspaces)
            if name in concerns.EPOCHS:
                known = found.get(concerns.last(name), 0)
                moved |= concerns.told(name, before, moved[name], known, workspaces)
        await self.run(_MOVE, list(moved), list(moved.values()))
        self.moving.clear()

    def announce(self, topic: str) -> None:
        """Have the other processes told after the commit that something of this kind changed. They also poll."""
        self.announced.add(topic)

    async def enter(self, workspace: bytes | None) -> None:
        """Bind what follows in this transaction to a workspace, or to the system scope when None."""
        await self.catch_up()
        await self._db.execute(scope_sql(workspace))
        self.bound(workspace)

    def bound(self, workspace: bytes | None) -> None:
        """Note the scope that the engine has set itself, together with BEGIN or a savepoint. What was put off is of a
        verb that failed."""
        self._put_off = {}
        self._workspace = workspace
        self._bound = True

    def unbound(self) -> None:
        """The transaction is over: no statement runs until the next scope."""
        self._workspace = None
        self._bound = False
        self._put_off = {}

    def _require_scope(self) -> None:
        if not self._bound:
            raise PermissionError("no workspace scope")
