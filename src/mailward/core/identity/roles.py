"""Roles a workspace makes itself: a name for some of the permissions there are, given to members.

The nouns, where they are kept, and what a place holds; the verbs are in `granting.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from mailward.base.errors import Invalid
from mailward.base.ids import UserId, WorkspaceId
from mailward.policy.access import IN_WORKSPACE, ROLE_PERMISSIONS, Permission, Role


@dataclass(frozen=True, slots=True)
class CustomRole:
    """A role of one workspace."""

    id: str
    workspace: WorkspaceId
    name: str
    permissions: frozenset[Permission]
    created: datetime
    created_by: str


class RolesRepo(Protocol):
    """Roles that workspaces made, and who has one. The scope's own; `get`, `give` and `of` also in the system scope."""

    async def add(self, role: CustomRole) -> None: ...

    async def get(self, id: str) -> CustomRole | None: ...

    async def all(self) -> list[CustomRole]:
        """By name."""

    async def change(self, id: str, name: str, permissions: frozenset[Permission]) -> None: ...

    async def remove(self, id: str) -> None: ...

    async def give(self, workspace: WorkspaceId, user: UserId, id: str) -> None:
        """In place of the one they had. Also in the system scope, where an invitation is accepted."""

    async def of(self, workspace: WorkspaceId, user: UserId) -> CustomRole | None:
        """The role last given to a person; it counts only while their place names Role.CUSTOM."""

    async def holders(self, id: str) -> list[UserId]:
        """Members whose place names Role.CUSTOM and who were given this one."""


class RolesTx(Protocol):
    """The part of a transaction that permissions are read from."""

    @property
    def roles(self) -> RolesRepo: ...


async def permissions_of(tx: RolesTx, workspace: WorkspaceId, user: UserId, role: Role) -> frozenset[Permission]:
    """What a place holds: of a role there has always been by the table, of one's own as it is stored."""
    if role is not Role.CUSTOM:
        return ROLE_PERMISSIONS[role]
    found = await tx.roles.of(workspace, user)
    return found.permissions & IN_WORKSPACE if found is not None else frozenset()


def wished(names: Iterable[str]) -> frozenset[Permission]:
    """Permissions by name; Invalid for what is none, or none of a workspace."""
    try:
        found = frozenset(Permission(name) for name in names)
    except ValueError:
        found = frozenset()
    if not found or not found <= IN_WORKSPACE:
        raise Invalid("bad_permissions", "Name at least one permission of a workspace.", field="permissions")
    return found
