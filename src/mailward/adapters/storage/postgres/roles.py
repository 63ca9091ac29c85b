"""SQL of the roles that workspaces make themselves. Row-level security keeps each statement in its scope."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailward.adapters.storage.role_rows import role_of, words
from mailward.adapters.storage.times import to_us
from mailward.base import ids
from mailward.base.ids import UserId, WorkspaceId
from mailward.core.identity.roles import CustomRole
from mailward.policy.access import Permission, Role

if TYPE_CHECKING:
    from mailward.adapters.storage.postgres.scope import SealedSql

_ROLE = "id, workspace, name, permissions, created, created_by"


class PgRoles:
    """Implements `core.identity.roles.RolesRepo`."""

    def __init__(self, tx: SealedSql) -> None:
        self._tx = tx

    async def add(self, role: CustomRole) -> None:
        """A new one."""
        await self._tx.run(
            f"INSERT INTO roles({_ROLE}) VALUES ($1, $2, $3, $4, $5, $6)",  # noqa: S608
            ids.decode("role", role.id),
            ids.decode("ws", role.workspace),
            role.name,
            words(role.permissions),
            to_us(role.created),
            role.created_by,
        )

    async def get(self, id: str) -> CustomRole | None:
        """Of the scope."""
        row = await self._tx.row(f"SELECT {_ROLE} FROM roles WHERE id = $1", ids.decode("role", id))  # noqa: S608
        return role_of(row) if row else None

    async def all(self) -> list[CustomRole]:
        """By name."""
        return [role_of(r) for r in await self._tx.rows(f"SELECT {_ROLE} FROM roles ORDER BY name, id")]  # noqa: S608

    async def change(self, id: str, name: str, permissions: frozenset[Permission]) -> None:
        """Another name and other permissions."""
        sql = "UPDATE roles SET name = $1, permissions = $2 WHERE id = $3"
        await self._tx.run(sql, name, words(permissions), ids.decode("role", id))

    async def remove(self, id: str) -> None:
        """With the notes of who was given it."""
        raw = ids.decode("role", id)
        await self._tx.run("DELETE FROM role_holders WHERE role = $1", raw)
        await self._tx.run("DELETE FROM roles WHERE id = $1", raw)

    async def give(self, workspace: WorkspaceId, user: UserId, id: str) -> None:
        """In place of the one they had."""
        await self._tx.run(
            'INSERT INTO role_holders(workspace, "user", role) VALUES ($1, $2, $3) '
            'ON CONFLICT (workspace, "user") DO UPDATE SET role = excluded.role',
            ids.decode("ws", workspace),
            ids.decode("usr", user),
            ids.decode("role", id),
        )

    async def of(self, workspace: WorkspaceId, user: UserId) -> CustomRole | None:
        """Whose id and workspace both fit."""
        row = await self._tx.row(
            "SELECT r.id, r.workspace, r.name, r.permissions, r.created, r.created_by FROM role_holders h "
            "JOIN roles r ON r.workspace = h.workspace AND r.id = h.role "
            'WHERE h.workspace = $1 AND h."user" = $2',
            ids.decode("ws", workspace),
            ids.decode("usr", user),
        )
        return role_of(row) if row else None

    async def holders(self, id: str) -> list[UserId]:
        """Members of the scope."""
        rows = await self._tx.rows(
            'SELECT h."user" FROM role_holders h JOIN members m ON m.workspace = h.workspace AND m."user" = h."user" '
            'WHERE h.role = $1 AND m.role = $2 ORDER BY h."user"',
            ids.decode("role", id),
            Role.CUSTOM.value,
        )
        return [UserId(ids.encode("usr", r[0])) for r in rows]
