"""Invitations: a mailed link that gives an address a place in a workspace, once and within seven days.

Whoever opens the link has shown that the address is theirs, because the token is in that
mail and nowhere else: no answer of the platform holds it. Someone new then chooses a
password, or shows a provider that vouches for the invited address; someone who has an account signs in and joins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mailward.base import ids
from mailward.base.errors import Conflict, Forbidden, Invalid, LimitReached, NotFound
from mailward.base.ids import UserId
from mailward.base.secret import Secret
from mailward.base.sources import Entropy
from mailward.core.identity import federation, passwords, tokens
from mailward.core.identity.entry import INVITATION_LIFE, RESEND_AFTER, Identity, Invitation
from mailward.core.identity.model import Member, User
from mailward.core.identity.people import good_email, join, may_grant
from mailward.core.identity.ports import IdentityTx
from mailward.core.identity.roles import CustomRole
from mailward.core.workspaces.change import good_name
from mailward.policy import access
from mailward.policy.access import Actor, Permission, Role

_MOST_OPEN = 100
_LISTED = 200


@dataclass(frozen=True, slots=True)
class Offer:
    """What a link offers: a place in a workspace, by its name and that of a role of its own, if it is one.

    `account` is who has an account under the invited address.
    """

    invitation: Invitation
    workspace: str
    own_role: CustomRole | None
    account: User | None


def offered(text: str) -> tuple[Role, str]:
    """What an invitation names: a role there has always been, or the id of one of the workspace's own. Invalid else."""
    if text.startswith("role_"):
        return Role.CUSTOM, text
    try:
        return Role(text), ""
    except ValueError:
        raise Invalid("bad_role", "This is not a role in a workspace.", field="role") from None


async def invite(
    tx: IdentityTx, actor: Actor, email: str, role: Role, *, custom: str = "", now: datetime, entropy: Entropy
) -> tuple[Invitation, Secret[str]]:
    """Invite an address into the actor's workspace; the token is for its mailbox only.

    `custom` is the id of a role of the workspace's own, and goes with Role.CUSTOM. Nobody
    invites above themselves. Conflict when the address is a member or invited already, or
    when a hundred invitations are open; Invalid for a role that is not of this workspace.
    """
    access.require(actor, Permission.MEMBER_CHANGE)
    await tx.audit.in_turn(actor.workspace)  # a role it offers is not removed meanwhile
    if not await _may_offer(tx, actor, role, custom):
        raise Invalid("bad_role", "This is not a role in this workspace.", field="role")
    address = good_email(email)
    if any(m.email.casefold() == address.casefold() for m in await tx.people.members(actor.workspace)):
        raise Conflict("already_member", "This person is a member already.")
    if await tx.entry.invitation_to(actor.workspace, address, now) is not None:
        raise Conflict("already_invited", "This address has an open invitation; send it again or withdraw it.")
    if await tx.entry.open_invitations(now) >= _MOST_OPEN:
        raise Conflict("too_many_invitations", f"At most {_MOST_OPEN} invitations can be open.")
    id = ids.new("inv", now, entropy)
    made = Invitation(id, actor.workspace, address, role, actor.id, now, now, now + INVITATION_LIFE, custom=custom)
    token, digest = _token(entropy)
    await tx.entry.add_invitation(made, digest)
    facts = {"email": address, "role": made.place}
    await tx.audit.append(actor, "invitation.created", id, facts, now=now)
    return made, token


async def resend(
    tx: IdentityTx, actor: Actor, id: str, *, now: datetime, entropy: Entropy
) -> tuple[Invitation, Secret[str]]:
    """A new token with seven new days; the link mailed before stops working. LimitReached within five minutes."""
    access.require(actor, Permission.MEMBER_CHANGE)
    await tx.audit.in_turn(actor.workspace)
    found = await _invitation(tx, id)
    if not await _may_offer(tx, actor, found.role, found.custom):
        raise Conflict("invitation_over", "The role of this invitation is gone; invite the address again.")
    if found.state(now) not in ("open", "expired"):
        raise Conflict("invitation_over", "This invitation was accepted or withdrawn; invite the address again.")
    if now - found.sent < RESEND_AFTER:
        left = (RESEND_AFTER - (now - found.sent)).total_seconds()
        raise LimitReached("sent_just_now", "This invitation was sent a moment ago.", retry_after=left)
    if found.state(now) == "expired" and await tx.entry.invitation_to(actor.workspace, found.email, now) is not None:
        raise Conflict("already_invited", "This address has a newer invitation.")
    token, digest = _token(entropy)
    await tx.entry.renew_invitation(id, digest, now, now + INVITATION_LIFE)
    await tx.audit.append(actor, "invitation.sent_again", id, {"email": found.email}, now=now)
    renewed = await _invitation(tx, id)
    return renewed, token


async def revoke_invitation(tx: IdentityTx, actor: Actor, id: str, *, now: datetime) -> None:
    """Withdraw an invitation; its link stops working. Withdrawing again is quiet. Conflict once it was accepted."""
    access.require(actor, Permission.MEMBER_CHANGE)
    found = await _invitation(tx, id)
    if found.accepted is not None:
        raise Conflict("invitation_over", "This invitation was accepted; remove the member instead.")
    if await tx.entry.revoke_invitation(id, now):
        await tx.audit.append(actor, "invitation.revoked", id, {"email": found.email}, now=now)


async def list_invitations(tx: IdentityTx, actor: Actor) -> Sequence[Invitation]:
    """The newest two hundred, whatever became of them."""
    access.require(actor, Permission.MEMBER_READ)
    return await tx.entry.invitations(_LISTED)


async def look(tx: IdentityTx, token: str, *, now: datetime) -> Offer:
    """What a link offers. System scope.

    NotFound for a link that is wrong, used, withdrawn, replaced or too old alike, and for one to a role that is gone.
    """
    digest = tokens.hash_token(token, tokens.INVITATION)
    found = None if digest is None else await tx.entry.invitation_by_token(digest, now)
    place = None if found is None else await tx.workspaces.get(found.workspace)
    if found is None or place is None:
        raise _gone()
    own = await tx.roles.get(found.custom) if found.custom else None
    if (own is None) is (found.role is Role.CUSTOM) or (own is not None and own.workspace != found.workspace):
        raise _gone()
    return Offer(found, place.name, own, await tx.people.user_by_email(found.email))


async def accept_as_new(
    tx: IdentityTx, token: str, *, name: str, password_hash: str, address: str = "", now: datetime, entropy: Entropy
) -> tuple[User, Member, Invitation]:
    """Use the link up for somebody who has no account: person and place. System scope.

    The password was judged and hashed before. Conflict when the address has an account: it joins by signing in.
    """
    offer = await look(tx, token, now=now)
    if offer.account is not None:
        raise Conflict("has_account", "This address has an account already: sign in to join.")
    chosen = good_name(name)
    user = User(UserId(ids.new("usr", now, entropy)), offer.invitation.email, chosen, password_hash, now)
    await tx.people.add_user(user)
    return user, await _take(tx, token, offer, user, address, now), offer.invitation


async def accept_with(
    tx: IdentityTx, token: str, identity: Identity, *, address: str = "", now: datetime, entropy: Entropy
) -> tuple[User, Member, Invitation]:
    """Use the link up for somebody new whom a provider vouches for; they get no password. System scope.

    Forbidden unless the provider verified the very address that was invited. Conflict when
    the address has an account, or the identity signs in somebody already.
    """
    offer = await look(tx, token, now=now)
    if not identity.email or identity.email.casefold() != offer.invitation.email.casefold():
        raise Forbidden("other_address", "The provider does not vouch for the address that was invited.")
    name = identity.name.strip() if identity.name.isprintable() else ""
    name = name[:100] or offer.invitation.email.partition("@")[0]
    user, member, invitation = await accept_as_new(
        tx, token, name=name, password_hash=passwords.NOBODY, address=address, now=now, entropy=entropy
    )
    await federation.adopt(tx, user, identity, address=address, now=now)
    return user, member, invitation


async def accept_as(
    tx: IdentityTx, token: str, user: UserId, *, address: str = "", now: datetime
) -> tuple[Member, Invitation]:
    """Use the link up for a person who is signed in under the invited address. System scope.

    Forbidden under any other: a link that was forwarded gives nobody else a place.
    """
    offer = await look(tx, token, now=now)
    invitation, known = offer.invitation, offer.account
    if known is None or known.id != user or known.disabled is not None:
        raise Forbidden("other_address", "This invitation is for another address. Sign in with that one to join.")
    if await tx.people.member(invitation.workspace, user) is not None:
        raise Conflict("already_member", "You are a member of this workspace already.")
    return await _take(tx, token, offer, known, address, now), invitation


async def _may_offer(tx: IdentityTx, actor: Actor, role: Role, custom: str) -> bool:
    """False when there is no such role. Forbidden beyond the actor's own permissions."""
    if role is not Role.CUSTOM:
        may_grant(actor, role)
        return True
    try:
        found = await tx.roles.get(custom)
    except NotFound:
        return False
    if found is None:
        return False
    access.require_within(actor, found.permissions, "This role")
    return True


async def _take(tx: IdentityTx, token: str, offer: Offer, user: User, address: str, now: datetime) -> Member:
    await tx.audit.in_turn(offer.invitation.workspace)  # its role is not removed meanwhile
    digest = tokens.hash_token(token, tokens.INVITATION)
    if digest is None or not await tx.entry.take_invitation(digest, now):
        raise _gone()
    invitation = offer.invitation
    actor = Actor(invitation.workspace, "session", user.id, address=address)
    await tx.audit.append(actor, "invitation.accepted", invitation.id, {"email": invitation.email}, now=now)
    return await join(tx, actor, user, invitation.role, now, custom=offer.own_role)


async def _invitation(tx: IdentityTx, id: str) -> Invitation:
    found = await tx.entry.invitation(id)
    if found is None:
        raise NotFound("not_found", "There is no such invitation.")
    return found


def _token(entropy: Entropy) -> tuple[Secret[str], bytes]:
    token = tokens.new_token(tokens.INVITATION, entropy)
    digest = tokens.hash_token(token.reveal(), tokens.INVITATION)
    assert digest is not None
    return token, digest


def _gone() -> NotFound:
    return NotFound("not_found", "This invitation does not work (any more). Ask whoever sent it for another one.")
