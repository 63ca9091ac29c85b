"""Making roles of one's own, and giving them to members.

Nobody makes, changes or gives a role that reaches beyond what they may do themselves, and
nobody changes what somebody above themselves may do. Two who act at once take turns, so
that no role goes while it is given. Whatever changes permissions moves the auth epoch; who
lost some loses the keys and invitations they made, too.
"""

from __future__ import annotations

from datetime import datetime

from mailward.base import ids
from mailward.base.errors import Conflict, NotFound
from mailward.base.ids import UserId
from mailward.base.sources import Entropy
from mailward.core.identity import people
from mailward.core.identity.model import Member
from mailward.core.identity.ports import IdentityTx
from mailward.core.identity.roles import CustomRole, permissions_of
from mailward.core.workspaces.change import good_name
from mailward.policy import access
from mailward.policy.access import Actor, Permission, Role

MOST_ROLES = 50


async def list_roles(tx: IdentityTx, actor: Actor) -> list[CustomRole]:
    """The workspace's own roles, by name."""
    access.require(actor, Permission.MEMBER_READ)
    return await tx.roles.all()


async def list_holders(tx: IdentityTx, actor: Actor) -> dict[UserId, str]:
    """Which of the workspace's own roles each member has, by id; who has none of them is not in it."""
    access.require(actor, Permission.MEMBER_READ)
    return {user: role.id for role in await tx.roles.all() for user in await tx.roles.holders(role.id)}


async def make_role(
    tx: IdentityTx, actor: Actor, name: str, permissions: frozenset[Permission], *, now: datetime, entropy: Entropy
) -> CustomRole:
    """A new role. Conflict when the name is taken or there are too many."""
    access.require(actor, Permission.ROLE_CHANGE)
    access.require_within(actor, permissions, "This role")
    await tx.audit.in_turn(actor.workspace)
    good = await _free_name(tx, name, None)
    if len(await tx.roles.all()) >= MOST_ROLES:
        raise Conflict("too_many_roles", f"A workspace has at most {MOST_ROLES} roles of its own.")
    role = CustomRole(ids.new("role", now, entropy), actor.workspace, good, permissions, now, actor.id)
    await tx.roles.add(role)
    await tx.audit.append(actor, "role.created", role.id, _facts(role), now=now)
    return role


async def change_role(
    tx: IdentityTx, actor: Actor, id: str, name: str, permissions: frozenset[Permission], *, now: datetime
) -> CustomRole:
    """Another name and other permissions, which hold for its members at once."""
    access.require(actor, Permission.ROLE_CHANGE)
    await tx.audit.in_turn(actor.workspace)
    before = await _role(tx, id)
    access.require_within(actor, before.permissions, "This role")
    access.require_within(actor, permissions, "This role")
    good = await _free_name(tx, name, id)
    await tx.roles.change(id, good, permissions)
    after = CustomRole(id, before.workspace, good, permissions, before.created, before.created_by)
    if not before.permissions <= permissions:
        for user in await tx.roles.holders(id):
            await people.take_back(tx, actor, user, now=now)
    await tx.revocations.bump()
    await tx.audit.append(actor, "role.changed", id, _facts(after), now=now)
    return after


async def remove_role(tx: IdentityTx, actor: Actor, id: str, *, now: datetime) -> None:
    """Take a role out of the list. Conflict while somebody has it, or may still join with it."""
    access.require(actor, Permission.ROLE_CHANGE)
    await tx.audit.in_turn(actor.workspace)
    role = await _role(tx, id)
    access.require_within(actor, role.permissions, "This role")
    if await tx.roles.holders(id):
        raise Conflict("role_in_use", "Give its members another role first.")
    if await tx.entry.invited_as(id, now):
        raise Conflict("role_in_use", "Somebody is invited to it: withdraw the invitation first.")
    await tx.roles.remove(id)
    await tx.revocations.bump()
    await tx.audit.append(actor, "role.removed", id, {"name": role.name}, now=now)


async def give_role(tx: IdentityTx, actor: Actor, user: UserId, id: str, *, now: datetime) -> Member:
    """Give a member a role of one's own, in place of what they have; their sessions here end.

    The last manager keeps theirs. NotFound for a role or a person that is not of this workspace.
    """
    access.require(actor, Permission.MEMBER_CHANGE)
    await tx.audit.in_turn(actor.workspace)
    role = await _role(tx, id)
    access.require_within(actor, role.permissions, "This role")
    member = await people.member_below(tx, actor, user)
    if member.role is Role.MANAGER:
        await people.not_the_last_manager(tx, actor)
    before = await permissions_of(tx, actor.workspace, user, member.role)
    await tx.people.set_role(actor.workspace, user, Role.CUSTOM)
    await tx.roles.give(actor.workspace, user, id)
    if not before <= role.permissions:
        await people.take_back(tx, actor, user, now=now)
    await tx.people.revoke_sessions(user)
    await tx.revocations.bump()
    facts = {"from": member.role.value, "to": role.name, "role": id}
    await tx.audit.append(actor, "member.role_changed", user, facts, now=now)
    return Member(member.user, member.email, member.name, Role.CUSTOM, member.joined)


async def _role(tx: IdentityTx, id: str) -> CustomRole:
    found = await tx.roles.get(id)
    if found is None:
        raise NotFound("not_found", "There is no such role.")
    return found


async def _free_name(tx: IdentityTx, name: str, own: str | None) -> str:
    good = good_name(name)
    if any(role.name.casefold() == good.casefold() and role.id != own for role in await tx.roles.all()):
        raise Conflict("role_exists", "There is a role of that name already.")
    return good


def _facts(role: CustomRole) -> dict[str, str]:
    return {"name": role.name, "permissions": " ".join(sorted(role.permissions))}
