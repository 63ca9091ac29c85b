"""Running SQL inside the current scope: what the repositories stand on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apsw

from mailward.adapters.storage.sqlite.scope import SYSTEM_FLAGS, TENANT_FLAGS, ScopeGuard

Row = tuple[Any, ...]


class Sql:
    """One connection and its scope. Used for one transaction after another."""

    def __init__(self, db: apsw.Connection, guard: ScopeGuard) -> None:
        self._db = db
        self._guard = guard
        self._cursor = db.cursor()
        self.epochs: tuple[int, int] = (0, 0)
        self.announced: set[str] = set()
        """What the other processes are to be told after the commit: a hint to look, as they also do by themselves."""
        # That of endpoints, as committed when this transaction began; -1 where nobody read it.
        self.webhooks_epoch = -1

    @property
    def workspace(self) -> bytes | None:
        """Raw id of the workspace this transaction is bound to; None in the system scope."""
        return self._guard.workspace

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """All rows of a statement."""
        guard = self._guard
        guard.begin_statement()
        flags = SYSTEM_FLAGS if guard.system else TENANT_FLAGS
        return self._cursor.execute(sql, params, prepare_flags=flags).fetchall()

    def row(self, sql: str, params: Sequence[Any] = ()) -> Row | None:
        """The first row, or None."""
        found = self.rows(sql, params)
        return found[0] if found else None

    def run(self, sql: str, params: Sequence[Any] = ()) -> int:
        """Execute; returns how many rows it changed."""
        self.rows(sql, params)
        return self._db.changes()

    def outside(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """Run one statement in the system scope from inside a workspace's: for epochs that announce a change."""
        guard = self._guard
        held = (guard.workspace, guard.system)
        guard.enter(None, system=True)
        try:
            return self.rows(sql, params)
        finally:
            guard.enter(held[0], system=held[1])

    def many(self, sql: str, params: Iterable[Sequence[Any]]) -> None:
        """Execute once for each set of parameters."""
        guard = self._guard
        guard.begin_statement()
        self._cursor.executemany(sql, params, prepare_flags=SYSTEM_FLAGS if guard.system else TENANT_FLAGS)

    @contextlib.contextmanager
    def bound(self, workspace: bytes | None) -> Iterator[None]:
        """Bind to a workspace, or to nothing at all, for statements that are to be refused. For the checks only."""
        guard = self._guard
        held = (guard.workspace, guard.system)
        guard.enter(workspace, system=False)
        try:
            yield
        finally:
            guard.enter(held[0], system=held[1])

    @contextlib.contextmanager
    def installation(self) -> Iterator[None]:
        """Step out of the workspace for a statement on the installation's own tables. For repositories only."""
        guard = self._guard
        workspace, system = guard.workspace, guard.system
        guard.enter(None, system=True)
        try:
            yield
        finally:
            guard.enter(workspace, system=system)
