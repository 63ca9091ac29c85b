"""SQL of workspaces, data keys and the auth epoch."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from mailward.adapters.storage.sqlite.counters import SqliteCounters
from mailward.adapters.storage.sqlite.sql import Row, Sql
from mailward.adapters.storage.sqlite.times import from_us, to_us
from mailward.base import ids
from mailward.base.ids import WorkspaceId
from mailward.core.workspaces.model import Workspace, WorkspaceSettings, WrappedKey


def _workspace(row: Row) -> Workspace:
    settings = msgspec.json.decode(row[3], type=WorkspaceSettings)
    return Workspace(WorkspaceId(ids.encode("ws", row[0])), row[1], from_us(row[2]), settings)


class SqliteWorkspaces:
    """The workspaces repository on SQLite."""

    def __init__(self, tx: Sql) -> None:
        self._tx = tx

    async def insert(self, workspace: Workspace) -> None:
        """A new tenant."""
        self._tx.run(
            "INSERT INTO t_workspaces(workspace, name, created, settings) VALUES (?,?,?,?)",
            (
                ids.decode("ws", workspace.id),
                workspace.name,
                to_us(workspace.created),
                msgspec.json.encode(workspace.settings).decode(),
            ),
        )

    async def get(self, workspace: WorkspaceId) -> Workspace | None:
        """The workspace, if it is in scope."""
        row = self._tx.row(
            f"SELECT workspace, name, created, settings FROM {table(self._tx, 'workspaces')} WHERE workspace = ?",  # noqa: S608
            (ids.decode("ws", workspace),),
        )
        return _workspace(row) if row else None

    async def rename(self, workspace: WorkspaceId, name: str) -> None:
        """Another name."""
        self._tx.run("UPDATE t_workspaces SET name = ? WHERE workspace = ?", (name, ids.decode("ws", workspace)))

    async def change_settings(self, workspace: WorkspaceId, settings: WorkspaceSettings) -> None:
        """Other settings, as a whole."""
        self._tx.run(
            "UPDATE t_workspaces SET settings = ? WHERE workspace = ?",
            (msgspec.json.encode(settings).decode(), ids.decode("ws", workspace)),
        )

    async def all(self) -> list[Workspace]:
        """Oldest first."""
        sql = "SELECT workspace, name, created, settings FROM t_workspaces ORDER BY created, workspace"
        return [_workspace(r) for r in self._tx.rows(sql)]

    async def unindexed(self, since: bytes, below: bytes) -> list[bytes]:
        """Two probes a workspace."""
        sql = (
            "SELECT w.workspace FROM t_workspaces AS w LEFT JOIN t_search_progress AS p ON p.workspace = w.workspace "
            "WHERE EXISTS (SELECT 1 FROM t_messages AS m WHERE m.workspace = w.workspace "
            "AND m.id > max(coalesce(p.upto, x''), ?) AND m.id < ?)"
        )
        return [r[0] for r in self._tx.rows(sql, (since, below))]


class SqliteDataKeys:
    """The data keys repository on SQLite."""

    def __init__(self, tx: Sql) -> None:
        self._tx = tx

    async def insert(self, key: WrappedKey) -> None:
        """First one wins; a destroyed key's row stands in the way too."""
        self._tx.run(
            "INSERT OR IGNORE INTO t_data_keys(workspace, day, version, wrapped) VALUES (?,?,?,?)",
            (key.workspace, key.day, key.version, key.wrapped),
        )

    async def get(self, workspace: bytes, day: int, version: int | None = None) -> WrappedKey | None:
        """One version, or the day's newest."""
        sql = (
            f"SELECT workspace, day, version, wrapped FROM {table(self._tx, 'data_keys')} "  # noqa: S608
            "WHERE workspace = ? AND day = ? AND (? IS NULL OR version = ?) ORDER BY version DESC LIMIT 1"
        )
        row = self._tx.row(sql, (workspace, day, version, version))
        return WrappedKey(*row) if row else None

    async def destroy(self, workspace: bytes, *, through_day: int | None, now: int) -> int:
        """The wrapped key is overwritten by null; the marker stays."""
        return self._tx.run(
            "UPDATE t_data_keys SET wrapped = NULL, destroyed = ? "
            "WHERE workspace = ? AND (? IS NULL OR day <= ?) AND wrapped IS NOT NULL",
            (now, workspace, through_day, through_day),
        )

    async def days(self, workspace: bytes, below: int, limit: int) -> list[int]:
        """Days before `below` whose key exists, oldest first."""
        sql = (
            f"SELECT DISTINCT day FROM {table(self._tx, 'data_keys')} "  # noqa: S608
            "WHERE workspace = ? AND day < ? AND wrapped IS NOT NULL ORDER BY day LIMIT ?"
        )
        return [r[0] for r in self._tx.rows(sql, (workspace, below, limit))]

    async def destroy_days(self, workspace: bytes, days: Sequence[int], now: int) -> int:
        """The same for chosen days."""
        return sum(
            self._tx.run(
                "UPDATE t_data_keys SET wrapped = NULL, destroyed = ? "
                "WHERE workspace = ? AND day = ? AND wrapped IS NOT NULL",
                (now, workspace, day),
            )
            for day in days
        )

    async def alive(self, places: Sequence[tuple[bytes, int, int]]) -> set[tuple[bytes, int, int]]:
        """See AllDataKeys. System scope."""
        sql = "SELECT 1 FROM t_data_keys WHERE workspace = ? AND day = ? AND version = ? AND wrapped IS NULL"
        return {place for place in places if self._tx.row(sql, place) is None}

    async def page(self, after: tuple[bytes, int, int] | None, limit: int) -> list[WrappedKey]:
        """In the order of the primary key."""
        sql = (
            "SELECT workspace, day, version, wrapped FROM t_data_keys "
            "WHERE (workspace, day, version) > (?,?,?) AND wrapped IS NOT NULL "
            "ORDER BY workspace, day, version LIMIT ?"
        )
        return [WrappedKey(*r) for r in self._tx.rows(sql, (*(after or (b"", -1, -1)), limit))]

    async def replace(self, keys: Sequence[WrappedKey]) -> None:
        """Wrapped anew."""
        self._tx.many(
            "UPDATE t_data_keys SET wrapped = ? WHERE workspace = ? AND day = ? AND version = ? "
            "AND wrapped IS NOT NULL",
            [(k.wrapped, k.workspace, k.day, k.version) for k in keys],
        )


class SqliteRevocations:
    """The auth epoch: a counter of the installation that any scope may move forward, and do nothing else to."""

    def __init__(self, tx: Sql) -> None:
        self._tx = tx

    async def bump(self) -> int:
        """One more: what changed is of this workspace alone, or outside of any it may be anybody's."""
        return await SqliteCounters(self._tx).bump("auth_epoch", own=True)

    async def current(self) -> int:
        """The committed epoch, or our own bump."""
        with self._tx.installation():
            row = self._tx.row("SELECT value FROM counters WHERE name = 'auth_epoch'")
        return int(row[0]) if row else 0


def table(tx: Sql, name: str) -> str:
    """Where to read a tenant-owned table: its view in a workspace's scope, the table itself in the system scope."""
    return name if tx.workspace is not None else f"t_{name}"
