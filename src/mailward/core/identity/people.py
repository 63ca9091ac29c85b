"""The first owner, workspaces people found, and who is a member of what."""

from __future__ import annotations

from datetime import datetime

from mailward.base import ids
from mailward.base.errors import Conflict, Forbidden, Invalid, NotFound, Unauthenticated
from mailward.base.ids import SessionId, UserId, WorkspaceId
from mailward.base.secret import Secret
from mailward.base.sources import Entropy
from mailward.core.identity import tokens
from mailward.core.identity.model import SETUP_LINK_LIFE, CredentialKind, Member, User
from mailward.core.identity.ports import IdentityTx
from mailward.core.identity.roles import CustomRole, permissions_of
from mailward.core.workspaces import change as workspaces
from mailward.core.workspaces.model import Workspace
from mailward.policy import access
from mailward.policy.access import ROLE_PERMISSIONS, Actor, Permission, Role

_ROLES = frozenset({Role.MEMBER, Role.ADMIN, Role.MANAGER})
_MOST_WORKSPACES = 50
_PAGE = 500


async def new_setup_link(tx: IdentityTx, *, now: datetime, entropy: Entropy) -> Secret[str] | None:
    """The token of a link that makes the first owner; None once there is one. System scope.

    A new link replaces an unused one. It lives for 24 hours and works once.
    """
    if await tx.people.any_user():
        return None
    token = tokens.new_token(tokens.SETUP_LINK, entropy)
    digest = tokens.hash_token(token.reveal(), tokens.SETUP_LINK)
    assert digest is not None
    await tx.people.add_setup_link(digest, created=now, expires=now + SETUP_LINK_LIFE)
    installation = Actor(WorkspaceId(""), "system", "start")
    await tx.audit.append(installation, "setup_link.created", "installation", now=now)
    return token


def good_email(email: str) -> str:
    """A sign-in address, trimmed; Invalid when it cannot be one. Whether mail reaches it is asked elsewhere."""
    trimmed = email.strip()
    local, at, domain = trimmed.rpartition("@")
    if not at or not local or "." not in domain or len(trimmed) > 254 or not trimmed.isprintable() or " " in trimmed:
        raise Invalid("bad_email", "This is not an email address.", field="email")
    return trimmed


async def use_setup_link(
    tx: IdentityTx,
    token: str,
    *,
    email: str,
    name: str,
    password_hash: str,
    workspace: str,
    into: WorkspaceId | None = None,
    id: UserId | None = None,
    address: str = "",
    now: datetime,
    entropy: Entropy,
) -> tuple[User, Workspace]:
    """Use the link up: the owner and the first workspace. System scope.

    `into` is a workspace that exists already and has no people (the one made at the first
    start): the owner takes it over and it gets the given name.

    The password was judged and hashed before; `id` is that a passkey was made for, `address`
    where the request came from. Raises Unauthenticated for a link that is
    wrong, used, expired, or replaced alike.
    """
    digest = tokens.hash_token(token, tokens.SETUP_LINK)
    if digest is None or await tx.people.any_user() or not await tx.people.take_setup_link(digest, now):
        raise Unauthenticated(
            "setup_link_invalid", "This setup link does not work (any more). Start the server again for a new one."
        )
    id = id or UserId(ids.new("usr", now, entropy))
    user = User(id, good_email(email), workspaces.good_name(name), password_hash, now)
    await tx.people.add_user(user)
    if into is not None:
        made = await _take_over(tx, user, into, workspace, address=address, now=now)
    else:
        made = await found_workspace(tx, user, workspace, address=address, now=now, entropy=entropy)
    actor = _as(user.id, made.id, address)
    await tx.audit.append(actor, "setup_link.used", user.id, {"email": user.email}, now=now)
    return user, made


async def _take_over(
    tx: IdentityTx, user: User, id: WorkspaceId, name: str, *, address: str, now: datetime
) -> Workspace:
    if await tx.people.members(id):
        raise Conflict("workspace_taken", "This workspace has people already.")
    actor = _as(user.id, id, address)
    await tx.workspaces.rename(id, workspaces.good_name(name))
    await tx.audit.append(actor, "workspace.renamed", id, {"name": name}, now=now)
    await join(tx, actor, user, Role.MANAGER, now)
    made = await tx.workspaces.get(id)
    assert made is not None
    return made


async def found_workspace(
    tx: IdentityTx, user: User, name: str, *, address: str = "", now: datetime, entropy: Entropy
) -> Workspace:
    """A new workspace with its founder as manager. System scope."""
    id = workspaces.new_id(now, entropy)
    actor = _as(user.id, id, address)
    made = await workspaces.create(tx, actor, name, now=now, entropy=entropy, id=id)
    await join(tx, actor, user, Role.MANAGER, now)
    return made


async def found_another(tx: IdentityTx, actor: Actor, name: str, *, now: datetime, entropy: Entropy) -> Workspace:
    """A further workspace, managed by the person who founds it. System scope.

    Only who manages a workspace may found one: being a guest in somebody's workspace is no right to the installation.
    """
    user = await tx.people.user(UserId(actor.id)) if actor.kind == "session" else None
    if user is None or user.disabled is not None:
        raise NotFound("not_found", "Only people found workspaces.")
    places = await tx.people.memberships(user.id)
    if not any(role is Role.MANAGER for _, role in places):
        raise Forbidden("forbidden", "Only a Workspace Manager may found another workspace.")
    if len(places) >= _MOST_WORKSPACES:
        raise Conflict("too_many_workspaces", f"A person has a place in at most {_MOST_WORKSPACES} workspaces.")
    return await found_workspace(tx, user, name, address=actor.address, now=now, entropy=entropy)


async def add_member(tx: IdentityTx, actor: Actor, user: User, role: Role, *, now: datetime) -> Member:
    """Give a known person a place in the actor's workspace. Conflict when they have one.

    Nobody gives a role above their own, and SUPER_ADMIN is no role in a workspace.
    """
    access.require(actor, Permission.MEMBER_CHANGE)
    may_grant(actor, role)
    if await tx.people.member(actor.workspace, user.id) is not None:
        raise Conflict("already_member", "This person is a member already.")
    return await join(tx, actor, user, role, now)


async def change_role(tx: IdentityTx, actor: Actor, user: UserId, role: Role, *, now: datetime) -> Member:
    """Another role; it holds at once, because the person's sessions here end.

    Nobody gives a role above their own or changes that of somebody above themselves, and
    the last manager keeps theirs. Whoever is lowered loses the keys and invitations they
    made here: each could reach further than they may now.
    """
    access.require(actor, Permission.MEMBER_CHANGE)
    may_grant(actor, role)
    member = await member_below(tx, actor, user)
    if member.role is Role.MANAGER and role is not Role.MANAGER:
        await not_the_last_manager(tx, actor)
    before = await permissions_of(tx, actor.workspace, user, member.role)
    await tx.people.set_role(actor.workspace, user, role)
    if not before <= ROLE_PERMISSIONS[role]:
        await take_back(tx, actor, user, now=now)
    await tx.people.revoke_sessions(user)
    await tx.revocations.bump()
    facts = {"from": member.role.value, "to": role.value}
    await tx.audit.append(actor, "member.role_changed", user, facts, now=now)
    return Member(member.user, member.email, member.name, role, member.joined)


async def remove_member(tx: IdentityTx, actor: Actor, user: UserId, *, now: datetime) -> None:
    """Take a person's place away, with their sessions here and the keys and invitations they made. The last manager
    stays, and nobody removes somebody above themselves."""
    access.require(actor, Permission.MEMBER_CHANGE)
    member = await member_below(tx, actor, user)
    await _part(tx, actor, member, "member.removed", now=now)


async def leave(tx: IdentityTx, actor: Actor, *, now: datetime) -> None:
    """Give up one's own place, as if removed. The last manager cannot: a workspace would be nobody's."""
    if actor.kind != "session":
        raise NotFound("not_found", "Only people can leave.")
    await _part(tx, actor, await _member(tx, actor, UserId(actor.id)), "member.left", now=now)


async def _part(tx: IdentityTx, actor: Actor, member: Member, act: str, *, now: datetime) -> None:
    if member.role is Role.MANAGER:
        await not_the_last_manager(tx, actor)
    await tx.people.remove_member(actor.workspace, member.user)
    await take_back(tx, actor, member.user, now=now)
    await tx.people.revoke_sessions(member.user)
    await tx.revocations.bump()
    facts = {"email": member.email, "role": member.role.value}
    await tx.audit.append(actor, act, member.user, facts, now=now)


async def take_back(
    tx: IdentityTx,
    actor: Actor,
    user: UserId,
    *,
    since: datetime | None = None,
    reason: str = "its maker lost their place",
    now: datetime,
) -> int:
    """Revoke what a person made in the actor's workspace: they know the secrets, and who they invited.

    With `since` only keys and credentials that were made from then on; open invitations all. How many credentials.
    """
    revoked = 0
    before: str | None = None
    while page := await tx.credentials.page(tuple(CredentialKind), before=before, limit=_PAGE):
        for credential in page:
            if credential.created_by != user or (since is not None and credential.created < since):
                continue
            if await tx.credentials.revoke(credential.id, now):
                revoked += 1
                facts = {"kind": credential.kind.value, "name": credential.name, "reason": reason}
                await tx.audit.append(actor, "credential.revoked", credential.id, facts, now=now)
        before = page[-1].id
    withdrawn = await tx.entry.revoke_invitations_by(actor.workspace, user, now)
    if withdrawn:
        await tx.audit.append(actor, "invitation.all_revoked", user, {"withdrawn": str(withdrawn)}, now=now)
    return revoked


async def change_password(
    tx: IdentityTx, user: User, password_hash: str, *, keep: SessionId | None, address: str = "", now: datetime
) -> None:
    """Set a new password, judged and hashed before; every session of the person but `keep` ends. System scope."""
    await tx.people.set_password(user.id, password_hash)
    await tx.people.revoke_sessions(user.id, keep=keep)
    await tx.revocations.bump()
    for workspace, role in await tx.people.memberships(user.id):
        held = await permissions_of(tx, workspace, user.id, role)
        actor = Actor(workspace, "session", user.id, held, role, address=address)
        await tx.audit.append(actor, "password.changed", user.id, now=now)


async def disable_user(tx: IdentityTx, actor: Actor, user: UserId, *, now: datetime) -> None:
    """End a person's access everywhere at once. System scope; NotFound when there is nobody to disable."""
    access.require(actor, Permission.WORKSPACE_CHANGE)
    if not await tx.people.disable_user(user, now):
        raise NotFound("not_found", "There is no such person with access.")
    await tx.people.revoke_sessions(user)
    await tx.revocations.bump()
    await tx.audit.append(actor, "user.disabled", user, now=now)


async def list_members(tx: IdentityTx, actor: Actor) -> list[Member]:
    """Who has a place in the actor's workspace."""
    access.require(actor, Permission.MEMBER_READ)
    return await tx.people.members(actor.workspace)


async def join(
    tx: IdentityTx, actor: Actor, user: User, role: Role, now: datetime, *, custom: CustomRole | None = None
) -> Member:
    """A place for a person, for verbs that have asked whether they may have it; `custom` goes with Role.CUSTOM."""
    member = Member(user.id, user.email, user.name, role, now)
    await tx.people.add_member(actor.workspace, member)
    if custom is not None:
        await tx.roles.give(actor.workspace, user.id, custom.id)
    # Pages of a person's sessions list the workspaces they may go to, and are kept until the epoch moves.
    await tx.revocations.bump()
    facts = {"email": user.email, "name": user.name, "role": custom.name if custom is not None else role.value}
    await tx.audit.append(actor, "member.added", user.id, facts, now=now)
    return member


async def _member(tx: IdentityTx, actor: Actor, user: UserId) -> Member:
    member = await tx.people.member(actor.workspace, user)
    if member is None:
        raise NotFound("not_found", "There is no such member.")
    return member


async def not_the_last_manager(tx: IdentityTx, actor: Actor) -> None:
    """Raise Conflict when the workspace has no manager but the one who would be gone."""
    await tx.audit.in_turn(actor.workspace)
    members = await tx.people.members(actor.workspace)
    if sum(m.role is Role.MANAGER for m in members) < 2:
        raise Conflict("last_manager", "A workspace keeps at least one Workspace Manager.")


def may_grant(actor: Actor, role: Role) -> None:
    """Raise Invalid for what is no role of a workspace, Forbidden for one that reaches beyond the actor's own acts."""
    if role not in _ROLES:
        raise Invalid("bad_role", "This is not a role in a workspace.", field="role")
    if not ROLE_PERMISSIONS[role] <= actor.permissions:
        raise Forbidden("forbidden", "You cannot give a role above your own.")


async def member_below(tx: IdentityTx, actor: Actor, user: UserId) -> Member:
    """A member who may do no more than the actor. NotFound for nobody, Forbidden for somebody above."""
    member = await _member(tx, actor, user)
    if not await permissions_of(tx, actor.workspace, user, member.role) <= actor.permissions:
        raise Forbidden("forbidden", "You cannot change the place of somebody above yourself.")
    return member


def _as(user: UserId, workspace: WorkspaceId, address: str) -> Actor:
    return Actor(workspace, "session", user, ROLE_PERMISSIONS[Role.MANAGER], Role.MANAGER, address=address)
