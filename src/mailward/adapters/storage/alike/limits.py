"""SQL of what the operator set for workspaces, and of what owners are to be told."""

from __future__ import annotations

from datetime import datetime

from mailward.adapters.storage.alike.statements import Statements
from mailward.adapters.storage.times import from_us, to_us
from mailward.base import ids
from mailward.base.ids import WorkspaceId
from mailward.core.workspaces.model import Ceilings, Notice


class KeptCeilings:
    """Implements `core.workspaces.ports.CeilingsRepo`."""

    def __init__(self, sql: Statements) -> None:
        self._sql = sql

    async def get(self, workspace: WorkspaceId) -> Ceilings:
        """Nothing set: both None."""
        row = await self._sql.row("SELECT api, messages FROM ceilings WHERE tenant = $1", ids.decode("ws", workspace))
        return Ceilings(*row) if row else Ceilings()

    async def put(self, workspace: WorkspaceId, ceilings: Ceilings) -> None:
        """Keep them; nothing is kept of those that say nothing."""
        raw = ids.decode("ws", workspace)
        if ceilings == Ceilings():
            await self._sql.run("DELETE FROM ceilings WHERE tenant = $1", raw)
            return
        await self._sql.run(
            "INSERT INTO ceilings(tenant, api, messages) VALUES ($1, $2, $3) "
            "ON CONFLICT (tenant) DO UPDATE SET api = excluded.api, messages = excluded.messages",
            raw,
            ceilings.api,
            ceilings.messages,
        )

    async def all(self) -> dict[WorkspaceId, Ceilings]:
        """Every workspace that has some."""
        rows = await self._sql.rows("SELECT tenant, api, messages FROM ceilings")
        return {WorkspaceId(ids.encode("ws", r[0])): Ceilings(r[1], r[2]) for r in rows}


class OwnerNotices:
    """Implements `core.workspaces.ports.NoticesRepo`."""

    def __init__(self, sql: Statements) -> None:
        self._sql = sql

    async def add(self, notice: Notice) -> None:
        """To be told soon."""
        await self._sql.run(
            "INSERT INTO owner_notices(id, tenant, at, kind, about, told) VALUES ($1, $2, $3, $4, $5, 'due') "
            "ON CONFLICT DO NOTHING",
            ids.decode("ntc", notice.id),
            ids.decode("ws", notice.workspace),
            to_us(notice.at),
            notice.kind,
            notice.about,
        )

    async def last(self, workspace: WorkspaceId, about: str, kind: str) -> datetime | None:
        """When one of that kind was last added about a thing."""
        row = await self._sql.row(
            "SELECT max(at) FROM owner_notices WHERE tenant = $1 AND about = $2 AND kind = $3",
            ids.decode("ws", workspace),
            about,
            kind,
        )
        return None if row is None or row[0] is None else from_us(row[0])

    async def due(self, limit: int) -> list[Notice]:
        """The oldest first."""
        rows = await self._sql.rows(
            "SELECT id, tenant, at, kind, about FROM owner_notices WHERE told = 'due' ORDER BY at LIMIT $1", limit
        )
        return [
            Notice(ids.encode("ntc", r[0]), WorkspaceId(ids.encode("ws", r[1])), from_us(r[2]), r[3], r[4])
            for r in rows
        ]

    async def set_told(self, id: str, how: str) -> None:
        """How it ended."""
        await self._sql.run("UPDATE owner_notices SET told = $1 WHERE id = $2", how, ids.decode("ntc", id))

    async def prune(self, before: datetime) -> int:
        """Forget what was told."""
        return await self._sql.run("DELETE FROM owner_notices WHERE told <> 'due' AND at < $1", to_us(before))
