"""Roles of a workspace's own, at the platform's door."""

from __future__ import annotations

from collections.abc import Callable

from mailward.app.platform.members import member_view
from mailward.app.store import Store
from mailward.base.ids import UserId
from mailward.base.sources import Clock, Entropy
from mailward.core.identity import granting
from mailward.core.identity.roles import CustomRole, wished
from mailward.edges.web.schema import members
from mailward.edges.web.schema import roles as types
from mailward.policy.access import Actor


class Roles:
    """Implements `edges.web.ports.Roles`. `changed` tells this process that access was taken away."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, *, changed: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._changed = changed

    async def list(self, actor: Actor) -> types.Roles:
        """By name."""
        found = await self._store.read(actor.workspace, lambda tx: granting.list_roles(tx, actor))
        return types.Roles(data=[_view(role) for role in found])

    async def holders(self, actor: Actor) -> dict[str, str]:
        """Member to role."""
        found = await self._store.read(actor.workspace, lambda tx: granting.list_holders(tx, actor))
        return {str(user): role for user, role in found.items()}

    async def create(self, actor: Actor, request: types.WriteRole) -> types.CustomRole:
        """A new one."""
        held, now = wished(request.permissions), self._clock.now()
        made = await self._store.write(
            actor.workspace,
            lambda tx: granting.make_role(tx, actor, request.name, held, now=now, entropy=self._entropy),
        )
        return _view(made)

    async def change(self, actor: Actor, role: str, request: types.WriteRole) -> types.CustomRole:
        """Another name and other permissions."""
        held, now = wished(request.permissions), self._clock.now()
        changed = await self._store.write(
            actor.workspace, lambda tx: granting.change_role(tx, actor, role, request.name, held, now=now)
        )
        self._changed()
        return _view(changed)

    async def remove(self, actor: Actor, role: str) -> None:
        """Out of the list."""
        now = self._clock.now()
        await self._store.write(actor.workspace, lambda tx: granting.remove_role(tx, actor, role, now=now))

    async def give(self, actor: Actor, role: str, request: types.GiveRole) -> members.Member:
        """To a member, in place of what they have."""
        now = self._clock.now()
        given = await self._store.write(
            actor.workspace, lambda tx: granting.give_role(tx, actor, UserId(request.member), role, now=now)
        )
        self._changed()
        return member_view(given)


def _view(role: CustomRole) -> types.CustomRole:
    return types.CustomRole(id=role.id, name=role.name, permissions=sorted(role.permissions), created_at=role.created)
