"""The wall between workspaces inside one SQLite file.

Tenant-owned tables are named `t_<x>` and have a `workspace` column. For each, the
migration runner makes a view `<x>` that shows the rows of the current scope only,
and triggers that refuse a write to another workspace's row. On top, an authorizer
decides when a statement is compiled:

- no scope: no table of ours can be touched at all;
- a workspace's scope: tenant tables are read through their view only, and
  installation-wide tables are out of reach;
- the system scope (`core/workspaces/system`): everything.

Statements compiled in one kind of scope are never reused in another: each kind has
its own prepare flags, which are part of apsw's cache key.
"""

from __future__ import annotations

from typing import Any

import apsw

_READS_OK = frozenset(
    (
        apsw.SQLITE_SELECT,
        apsw.SQLITE_FUNCTION,
        apsw.SQLITE_TRANSACTION,
        apsw.SQLITE_SAVEPOINT,
        apsw.SQLITE_RECURSIVE,
    )
)
_MUTATIONS = frozenset((apsw.SQLITE_INSERT, apsw.SQLITE_UPDATE, apsw.SQLITE_DELETE))
_GUARD = "guard_"

# Flags that change nothing for SQLite here but keep the statement caches of the scopes apart.
TENANT_FLAGS = apsw.SQLITE_PREPARE_PERSISTENT
SYSTEM_FLAGS = apsw.SQLITE_PREPARE_PERSISTENT | apsw.SQLITE_PREPARE_NO_VTAB


class ScopeGuard:
    """State of the scope on one connection, with the SQL functions and the authorizer that read it."""

    __slots__ = ("_first", "_target", "system", "workspace")

    def __init__(self, db: apsw.Connection) -> None:
        self.workspace: bytes | None = None
        self.system = False
        self._first = True
        self._target: str | None = None
        db.create_scalar_function("scope", self._scope, 0, flags=apsw.SQLITE_INNOCUOUS)
        db.create_scalar_function("scope_allows", self._allows, 1, flags=apsw.SQLITE_INNOCUOUS)

    def install(self, db: apsw.Connection) -> None:
        """From here on every statement compiled on the connection is judged."""
        db.authorizer = self._authorize

    def enter(self, workspace: bytes | None, *, system: bool) -> None:
        """Bind the connection to a workspace, to the system scope, or (None, False) to nothing."""
        self.workspace = workspace
        self.system = system

    def begin_statement(self) -> None:
        """Forget what the previous statement was; called before each execution."""
        self._first = True
        self._target = None

    def _scope(self, *_: Any) -> bytes | None:
        if self.workspace is None and not self.system:
            raise PermissionError("no workspace scope")
        return self.workspace

    def _allows(self, *args: Any) -> int:
        return 1 if self.system or (self.workspace is not None and args[0] == self.workspace) else 0

    def _authorize(self, op: int, a: str | None, b: str | None, db: str | None, source: str | None) -> int:
        if self._first:
            self._first = False
            self._target = a if op in _MUTATIONS else None
        if self.system:
            # Schema changes belong to the migration runner, which runs before the authorizer is installed.
            return apsw.SQLITE_OK if op in _READS_OK or op in _MUTATIONS or op == apsw.SQLITE_READ else apsw.SQLITE_DENY
        if op in (apsw.SQLITE_TRANSACTION, apsw.SQLITE_SAVEPOINT):
            return apsw.SQLITE_OK
        if self.workspace is None:
            return apsw.SQLITE_DENY
        if op in _READS_OK:
            return apsw.SQLITE_OK
        if op == apsw.SQLITE_READ:
            return self._judge_read(a or "", source)
        if op in _MUTATIONS:
            return apsw.SQLITE_OK if (a or "").startswith("t_") else apsw.SQLITE_DENY
        return apsw.SQLITE_DENY

    def _judge_read(self, table: str, source: str | None) -> int:
        if not table.startswith("t_"):
            # A view of ours (its columns are read under the view's own name) or a table value such as json_each.
            return apsw.SQLITE_DENY if table in INSTALLATION_TABLES else apsw.SQLITE_OK
        if source == table[2:] or (source is not None and source.startswith(_GUARD)):
            return apsw.SQLITE_OK
        if table == self._target:
            return apsw.SQLITE_OK
        return apsw.SQLITE_DENY


# Filled by the migration runner with every table that belongs to the installation and not to a workspace.
INSTALLATION_TABLES: set[str] = {"sqlite_master", "sqlite_schema", "sqlite_stat1", "sqlite_sequence"}


def wall_statements(db: apsw.Connection) -> list[str]:
    """SQL that (re)creates the view and the guard triggers of every tenant-owned table."""
    out: list[str] = []
    listing: list[Any] = db.execute("SELECT name FROM sqlite_master WHERE type='table' ORDER BY name").fetchall()
    for table in [str(row[0]) for row in listing]:
        if not table.startswith("t_"):
            INSTALLATION_TABLES.add(table)
            continue
        info: list[Any] = db.execute(f"PRAGMA table_info({table})").fetchall()
        columns = {row[1] for row in info}
        if "workspace" not in columns:
            raise ValueError(f"tenant-owned table {table} has no workspace column")
        name = table[2:]
        out.append(f"DROP VIEW IF EXISTS {name}")
        out.append(f"CREATE VIEW {name} AS SELECT * FROM {table} WHERE workspace = scope()")  # noqa: S608
        for verb, rows in (("INSERT", "NEW"), ("UPDATE", "NEW OLD"), ("DELETE", "OLD")):
            trigger = f"{_GUARD}{name}_{verb.lower()}"
            bad = " OR ".join(f"NOT scope_allows({row}.workspace)" for row in rows.split())
            out.append(f"DROP TRIGGER IF EXISTS {trigger}")
            out.append(
                f"CREATE TRIGGER {trigger} BEFORE {verb} ON {table} WHEN {bad} "
                "BEGIN SELECT RAISE(ABORT, 'row of another workspace'); END"
            )
    return out
