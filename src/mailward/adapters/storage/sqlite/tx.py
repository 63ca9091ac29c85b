"""One transaction on the embedded store, as the repositories see it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import apsw

from mailward.adapters.storage.sqlite.scope import SYSTEM_FLAGS, TENANT_FLAGS, ScopeGuard

if TYPE_CHECKING:
    from mailward.adapters.storage.sqlite.audit import SqliteAudit
    from mailward.adapters.storage.sqlite.counters import SqliteCounters
    from mailward.adapters.storage.sqlite.deliveries import SqliteDeliveries
    from mailward.adapters.storage.sqlite.domains import SqliteDomains
    from mailward.adapters.storage.sqlite.identity import SqliteCredentials, SqlitePeople
    from mailward.adapters.storage.sqlite.messages import SqliteMessages
    from mailward.adapters.storage.sqlite.suppression import SqliteSuppressions
    from mailward.adapters.storage.sqlite.webhooks import SqliteWebhooks
    from mailward.adapters.storage.sqlite.workspaces import SqliteDataKeys, SqliteRevocations, SqliteWorkspaces

Row = tuple[Any, ...]


class SqliteTx:
    """Runs SQL inside the current scope. One object a connection, reused for each transaction."""

    def __init__(self, db: apsw.Connection, guard: ScopeGuard) -> None:
        self._db = db
        self._guard = guard
        self._cursor = db.cursor()
        self.epochs: tuple[int, int] = (0, 0)

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
    def installation(self) -> Iterator[None]:
        """Step out of the workspace for a statement on the installation's own tables. For repositories only."""
        guard = self._guard
        workspace, system = guard.workspace, guard.system
        guard.enter(None, system=True)
        try:
            yield
        finally:
            guard.enter(workspace, system=system)

    @cached_property
    def counters(self) -> SqliteCounters:
        """Named numbers of the installation (epochs)."""
        from mailward.adapters.storage.sqlite.counters import SqliteCounters

        return SqliteCounters(self)

    @cached_property
    def messages(self) -> SqliteMessages:
        """Messages, their search tokens, idempotency and usage."""
        from mailward.adapters.storage.sqlite.messages import SqliteMessages

        return SqliteMessages(self)

    @cached_property
    def deliveries(self) -> SqliteDeliveries:
        """Deliveries and their attempts."""
        from mailward.adapters.storage.sqlite.deliveries import SqliteDeliveries

        return SqliteDeliveries(self)

    @cached_property
    def audit(self) -> SqliteAudit:
        """The append-only log of acts."""
        from mailward.adapters.storage.sqlite.audit import SqliteAudit

        return SqliteAudit(self)

    @cached_property
    def domains(self) -> SqliteDomains:
        """Sending domains and their keys."""
        from mailward.adapters.storage.sqlite.domains import SqliteDomains

        return SqliteDomains(self)

    @cached_property
    def suppressions(self) -> SqliteSuppressions:
        """Addresses nothing is sent to."""
        from mailward.adapters.storage.sqlite.suppression import SqliteSuppressions

        return SqliteSuppressions(self)

    @cached_property
    def webhooks(self) -> SqliteWebhooks:
        """Webhook endpoints, jobs and attempts."""
        from mailward.adapters.storage.sqlite.webhooks import SqliteWebhooks

        return SqliteWebhooks(self)

    @cached_property
    def workspaces(self) -> SqliteWorkspaces:
        """Workspaces and their settings."""
        from mailward.adapters.storage.sqlite.workspaces import SqliteWorkspaces

        return SqliteWorkspaces(self)

    @cached_property
    def data_keys(self) -> SqliteDataKeys:
        """Wrapped data keys."""
        from mailward.adapters.storage.sqlite.workspaces import SqliteDataKeys

        return SqliteDataKeys(self)

    @cached_property
    def revocations(self) -> SqliteRevocations:
        """The epoch of credentials and keys."""
        from mailward.adapters.storage.sqlite.workspaces import SqliteRevocations

        return SqliteRevocations(self)

    @cached_property
    def credentials(self) -> SqliteCredentials:
        """API keys and SMTP credentials."""
        from mailward.adapters.storage.sqlite.identity import SqliteCredentials

        return SqliteCredentials(self)

    @cached_property
    def people(self) -> SqlitePeople:
        """Users, members, sessions, setup links."""
        from mailward.adapters.storage.sqlite.identity import SqlitePeople

        return SqlitePeople(self)
