"""SQL of workspaces, data keys and the auth epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from mailward.adapters.storage.times import from_us, to_us
from mailward.base import ids
from mailward.base.ids import WorkspaceId
from mailward.core.workspaces.model import Workspace, WorkspaceSettings, WrappedKey

if TYPE_CHECKING:
    from mailward.adapters.storage.postgres.scope import SealedSql
    from mailward.adapters.storage.postgres.sql import Row

_settings = msgspec.json.Decoder(WorkspaceSettings)


# With EXISTS the planner reads the index of all messages and joins it to the workspaces, once messages are many.
_UNINDEXED = (
    "SELECT w.workspace FROM workspaces AS w LEFT JOIN search_progress AS p ON p.workspace = w.workspace "
    "CROSS JOIN LATERAL (SELECT FROM messages AS m WHERE m.workspace = w.workspace "
    "AND m.id > coalesce(p.upto, ''::bytea) AND m.id > $1 AND m.id < $2 ORDER BY m.id LIMIT 1) AS one"
)


class PgWorkspaces:
    """The workspaces repository on PostgreSQL."""

    def __init__(self, tx: SealedSql) -> None:
        self._tx = tx
        self._name = tx.cipher.column("workspaces", "name")
        self._settings = tx.cipher.column("workspaces", "settings")

    def _workspace(self, r: Row) -> Workspace:
        settings = _settings.decode(self._settings.open(r[0], b"", r[3]))
        name = self._name.open(r[0], b"", r[1]).decode()
        return Workspace(WorkspaceId(ids.encode("ws", r[0])), name, from_us(r[2]), settings)

    async def insert(self, workspace: Workspace) -> None:
        """A new tenant."""
        raw = ids.decode("ws", workspace.id)
        await self._tx.run(
            "INSERT INTO workspaces(workspace, name, created, settings) VALUES ($1, $2, $3, $4)",
            raw,
            self._name.seal(raw, b"", workspace.name.encode()),
            to_us(workspace.created),
            self._settings.seal(raw, b"", msgspec.json.encode(workspace.settings)),
        )

    async def get(self, workspace: WorkspaceId) -> Workspace | None:
        """The workspace, if it is in scope."""
        sql = "SELECT workspace, name, created, settings FROM workspaces WHERE workspace = $1"
        row = await self._tx.row(sql, ids.decode("ws", workspace))
        return self._workspace(row) if row else None

    async def rename(self, workspace: WorkspaceId, name: str) -> None:
        """Another name."""
        raw = ids.decode("ws", workspace)
        sealed = self._name.seal(raw, b"", name.encode())
        await self._tx.run("UPDATE workspaces SET name = $1 WHERE workspace = $2", sealed, raw)

    async def change_settings(self, workspace: WorkspaceId, settings: WorkspaceSettings) -> None:
        """Other settings, as a whole."""
        raw = ids.decode("ws", workspace)
        sealed = self._settings.seal(raw, b"", msgspec.json.encode(settings))
        await self._tx.run("UPDATE workspaces SET settings = $1 WHERE workspace = $2", sealed, raw)

    async def all(self) -> list[Workspace]:
        """Oldest first."""
        sql = "SELECT workspace, name, created, settings FROM workspaces ORDER BY created, workspace"
        return [self._workspace(r) for r in await self._tx.rows(sql)]

    async def unindexed(self, since: bytes, below: bytes) -> list[bytes]:
        """A probe a workspace of each day from `since` on; the days before are not looked at."""
        return [r[0] for r in await self._tx.rows(_UNINDEXED, since, below)]


class PgDataKeys:
    """The data keys repository on PostgreSQL."""

    def __init__(self, tx: SealedSql) -> None:
        self._tx = tx

    async def insert(self, key: WrappedKey) -> None:
        """First one wins; a destroyed key's row stands in the way too."""
        await self._tx.run(
            "INSERT INTO data_keys(workspace, day, version, wrapped) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            key.workspace,
            key.day,
            key.version,
            key.wrapped,
        )

    async def get(self, workspace: bytes, day: int, version: int | None = None) -> WrappedKey | None:
        """One version, or the day's newest."""
        sql = (
            "SELECT workspace, day, version, wrapped FROM data_keys "
            "WHERE workspace = $1 AND day = $2 AND ($3::int IS NULL OR version = $3) ORDER BY version DESC LIMIT 1"
        )
        row = await self._tx.row(sql, workspace, day, version)
        return WrappedKey(*row) if row else None

    async def destroy(self, workspace: bytes, *, through_day: int | None, now: int) -> int:
        """The wrapped key is overwritten by null; the marker stays."""
        return await self._tx.run(
            "UPDATE data_keys SET wrapped = NULL, destroyed = $1 "
            "WHERE workspace = $2 AND ($3::int IS NULL OR day <= $3) AND wrapped IS NOT NULL",
            now,
            workspace,
            through_day,
        )

    async def days(self, workspace: bytes, below: int, limit: int) -> list[int]:
        """Days before `below` whose key exists, oldest first."""
        sql = (
            "SELECT DISTINCT day FROM data_keys WHERE workspace = $1 AND day < $2 AND wrapped IS NOT NULL "
            "ORDER BY day LIMIT $3"
        )
        return [r[0] for r in await self._tx.rows(sql, workspace, below, limit)]

    async def destroy_days(self, workspace: bytes, days: Sequence[int], now: int) -> int:
        """The same for chosen days."""
        return await self._tx.run(
            "UPDATE data_keys SET wrapped = NULL, destroyed = $1 "
            "WHERE workspace = $2 AND day = ANY($3::int[]) AND wrapped IS NOT NULL",
            now,
            workspace,
            list(days),
        )

    async def alive(self, places: Sequence[tuple[bytes, int, int]]) -> set[tuple[bytes, int, int]]:
        """See AllDataKeys. System scope."""
        rows = await self._tx.rows(
            "SELECT k.workspace, k.day, k.version FROM unnest($1::bytea[], $2::int[], $3::int[]) AS p(w, d, v) "
            "JOIN data_keys AS k ON k.workspace = p.w AND k.day = p.d AND k.version = p.v "
            "WHERE k.wrapped IS NULL",
            *([p[i] for p in places] for i in range(3)),
        )
        return set(places) - {(r[0], r[1], r[2]) for r in rows}

    async def page(self, after: tuple[bytes, int, int] | None, limit: int) -> list[WrappedKey]:
        """In the order of the primary key."""
        sql = (
            "SELECT workspace, day, version, wrapped FROM data_keys "
            "WHERE (workspace, day, version) > ($1, $2, $3) AND wrapped IS NOT NULL "
            "ORDER BY workspace, day, version LIMIT $4"
        )
        return [WrappedKey(*r) for r in await self._tx.rows(sql, *(after or (b"", -1, -1)), limit)]

    async def replace(self, keys: Sequence[WrappedKey]) -> None:
        """Wrapped anew."""
        await self._tx.run(
            "UPDATE data_keys AS k SET wrapped = u.wrapped "
            "FROM unnest($1::bytea[], $2::bytea[], $3::int[], $4::int[]) AS u(wrapped, workspace, day, version) "
            "WHERE k.workspace = u.workspace AND k.day = u.day AND k.version = u.version AND k.wrapped IS NOT NULL",
            [k.wrapped for k in keys],
            [k.workspace for k in keys],
            [k.day for k in keys],
            [k.version for k in keys],
        )


class PgRevocations:
    """The auth epoch: a counter of the installation that any scope may move forward, and do nothing else to."""

    def __init__(self, tx: SealedSql) -> None:
        self._tx = tx

    async def bump(self) -> int:
        """One more: what changed is of this workspace alone, or outside of any it may be anybody's."""
        return await self._tx.counters.bump("auth_epoch", own=True)

    async def current(self) -> int:
        """The committed epoch, or our own bump."""
        return await self._tx.counters.value("auth_epoch")
