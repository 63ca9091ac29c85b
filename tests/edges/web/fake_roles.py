"""Roles of a workspace's own in memory, for the edge's own tests."""

from __future__ import annotations

from datetime import UTC, datetime

from mailward.base import ids
from mailward.base.errors import NotFound
from mailward.core.identity.roles import wished
from mailward.edges.web.schema import members
from mailward.edges.web.schema import roles as types
from mailward.policy.access import Actor

T0 = datetime(2030, 1, 1, 12, tzinfo=UTC)
ROLE = ids.encode("role", bytes(15) + b"\x09")


class FakeRoles:
    """One role, and nobody to give it to."""

    def _known(self, role: str) -> None:
        if role != ROLE:
            raise NotFound("not_found", "There is no such role.")

    async def list(self, actor: Actor) -> types.Roles:
        return types.Roles(data=[types.CustomRole(id=ROLE, name="R", permissions=["message.read"], created_at=T0)])

    async def holders(self, actor: Actor) -> dict[str, str]:
        return {}

    async def create(self, actor: Actor, request: types.WriteRole) -> types.CustomRole:
        held = sorted(p.value for p in wished(request.permissions))
        return types.CustomRole(id=ROLE, name=request.name, permissions=held, created_at=T0)

    async def change(self, actor: Actor, role: str, request: types.WriteRole) -> types.CustomRole:
        self._known(role)
        return await self.create(actor, request)

    async def remove(self, actor: Actor, role: str) -> None:
        self._known(role)

    async def give(self, actor: Actor, role: str, request: types.GiveRole) -> members.Member:
        self._known(role)
        raise NotFound("not_found", "There is no such member.")
