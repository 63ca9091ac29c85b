"""SQL of the roles that workspaces make themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailward.adapters.storage.role_rows import role_of, words
from mailward.adapters.storage.sqlite.times import to_us
from mailward.adapters.storage.sqlite.workspaces import table
from mailward.base import ids
from mailward.base.ids import UserId, WorkspaceId
from mailward.core.identity.roles import CustomRole
from mailward.policy.access import Permission, Role

if TYPE_CHECKING:
    from mailward.adapters.storage.sqlite.sql import Sql

_ROLE = "id, workspace, name, permissions, created, created_by"


class SqliteRoles:
    """Implements `core.identity.roles.RolesRepo`."""

    def __init__(self, tx: Sql) -> None:
        self._tx = tx

    async def add(self, role: CustomRole) -> None:
        """A new one."""
        self._tx.run(
            "INSERT INTO t_roles(workspace, id, name, permissions, created, created_by) VALUES (?,?,?,?,?,?)",
            (
                ids.decode("ws", role.workspace),
                ids.decode("role", role.id),
                role.name,
                words(role.permissions),
                to_us(role.created),
                role.created_by,
            ),
        )

    async def get(self, id: str) -> CustomRole | None:
        """Of the scope."""
        sql = f"SELECT {_ROLE} FROM {table(self._tx, 'roles')} WHERE id = ?"  # noqa: S608
        row = self._tx.row(sql, (ids.decode("role", id),))
        return role_of(row) if row else None

    async def all(self) -> list[CustomRole]:
        """By name."""
        sql = f"SELECT {_ROLE} FROM {table(self._tx, 'roles')} ORDER BY name, id"  # noqa: S608
        return [role_of(r) for r in self._tx.rows(sql)]

    async def change(self, id: str, name: str, permissions: frozenset[Permission]) -> None:
        """Another name and other permissions."""
        self._tx.run(
            "UPDATE t_roles SET name = ?, permissions = ? WHERE id = ? AND workspace = scope()",
            (name, words(permissions), ids.decode("role", id)),
        )

    async def remove(self, id: str) -> None:
        """With the notes of who was given it."""
        raw = ids.decode("role", id)
        self._tx.run("DELETE FROM t_role_holders WHERE role = ? AND workspace = scope()", (raw,))
        self._tx.run("DELETE FROM t_roles WHERE id = ? AND workspace = scope()", (raw,))

    async def give(self, workspace: WorkspaceId, user: UserId, id: str) -> None:
        """In place of the one they had."""
        self._tx.run(
            "INSERT INTO t_role_holders(workspace, user, role) VALUES (?, ?, ?) "
            "ON CONFLICT (workspace, user) DO UPDATE SET role = excluded.role",
            (ids.decode("ws", workspace), ids.decode("usr", user), ids.decode("role", id)),
        )

    async def of(self, workspace: WorkspaceId, user: UserId) -> CustomRole | None:
        """Whose id and workspace both fit."""
        row = self._tx.row(
            "SELECT r.id, r.workspace, r.name, r.permissions, r.created, r.created_by "  # noqa: S608
            f"FROM {table(self._tx, 'role_holders')} h "
            f"JOIN {table(self._tx, 'roles')} r ON r.workspace = h.workspace AND r.id = h.role "
            "WHERE h.workspace = ? AND h.user = ?",
            (ids.decode("ws", workspace), ids.decode("usr", user)),
        )
        return role_of(row) if row else None

    async def holders(self, id: str) -> list[UserId]:
        """Members of the scope."""
        rows = self._tx.rows(
            "SELECT h.user FROM role_holders h JOIN members m ON m.workspace = h.workspace AND m.user = h.user "
            "WHERE h.role = ? AND m.role = ? ORDER BY h.user",
            (ids.decode("role", id), Role.CUSTOM.value),
        )
        return [UserId(ids.encode("usr", r[0])) for r in rows]
