"""Invitations: a mailed link that gives an address a place in a workspace, once and within seven days.

Whoever opens the link has shown that the address is theirs, because the token is in that
mail and nowhere else: no answer of the platform holds it. Someone new then chooses a
password; someone who has an account signs in and joins.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from mailward.base import ids
from mailward.base.errors import Conflict, Forbidden, LimitReached, NotFound
from mailward.base.ids import UserId
from mailward.base.secret import Secret
from mailward.base.sources import Entropy
from mailward.core.identity import tokens
from mailward.core.identity.entry import INVITATION_LIFE, RESEND_AFTER, Invitation
from mailward.core.identity.model import Member, User
from mailward.core.identity.people import good_email, join, may_grant
from mailward.core.identity.ports import IdentityTx
from mailward.core.workspaces.change import good_name
from mailward.policy import access
from mailward.policy.access import Actor, Permission, Role

_MOST_OPEN = 100
_LISTED = 200


async def invite(
    tx: IdentityTx, actor: Actor, email: str, role: Role, *, now: datetime, entropy: Entropy
) -> tuple[Invitation, Secret[str]]:
    """Invite an address into the actor's workspace; the token is for its mailbox only.

    Nobody invites above themselves. Conflict when the address is a member or invited
    already, or when a hundred invitations are open.
    """
    access.require(actor, Permission.MEMBER_CHANGE)
    may_grant(actor, role)
    address = good_email(email)
    if any(m.email.casefold() == address.casefold() for m in await tx.people.members(actor.workspace)):
        raise Conflict("already_member", "This person is a member already.")
    if await tx.entry.invitation_to(actor.workspace, address, now) is not None:
        raise Conflict("already_invited", "This address has an open invitation; send it again or withdraw it.")
    if await tx.entry.open_invitations(now) >= _MOST_OPEN:
        raise Conflict("too_many_invitations", f"At most {_MOST_OPEN} invitations can be open.")
    id = ids.new("inv", now, entropy)
    made = Invitation(id, actor.workspace, address, role, actor.id, now, now, now + INVITATION_LIFE)
    token, digest = _token(entropy)
    await tx.entry.add_invitation(made, digest)
    facts = {"email": address, "role": role.value}
    await tx.audit.append(actor, "invitation.created", id, facts, now=now)
    return made, token


async def resend(
    tx: IdentityTx, actor: Actor, id: str, *, now: datetime, entropy: Entropy
) -> tuple[Invitation, Secret[str]]:
    """A new token with seven new days; the link mailed before stops working. LimitReached within five minutes."""
    access.require(actor, Permission.MEMBER_CHANGE)
    found = await _invitation(tx, id)
    may_grant(actor, found.role)
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


async def look(tx: IdentityTx, token: str, *, now: datetime) -> tuple[Invitation, str, User | None]:
    """The invitation of a link, its workspace's name, and who has an account under its address. System scope.

    NotFound for a link that is wrong, used, withdrawn, replaced or too old alike.
    """
    digest = tokens.hash_token(token, tokens.INVITATION)
    found = None if digest is None else await tx.entry.invitation_by_token(digest, now)
    place = None if found is None else await tx.workspaces.get(found.workspace)
    if found is None or place is None:
        raise _gone()
    return found, place.name, await tx.people.user_by_email(found.email)


async def accept_as_new(
    tx: IdentityTx, token: str, *, name: str, password_hash: str, now: datetime, entropy: Entropy
) -> tuple[User, Member, Invitation]:
    """Use the link up for somebody who has no account: person and place. System scope.

    The password was judged and hashed before. Conflict when the address has an account: it joins by signing in.
    """
    invitation, _, known = await look(tx, token, now=now)
    if known is not None:
        raise Conflict("has_account", "This address has an account already: sign in to join.")
    chosen = good_name(name)
    user = User(UserId(ids.new("usr", now, entropy)), invitation.email, chosen, password_hash, now)
    await tx.people.add_user(user)
    return user, await _take(tx, token, invitation, user, now), invitation


async def accept_as(tx: IdentityTx, token: str, user: UserId, *, now: datetime) -> tuple[Member, Invitation]:
    """Use the link up for a person who is signed in under the invited address. System scope.

    Forbidden under any other: a link that was forwarded gives nobody else a place.
    """
    invitation, _, known = await look(tx, token, now=now)
    if known is None or known.id != user or known.disabled is not None:
        raise Forbidden("other_address", "This invitation is for another address. Sign in with that one to join.")
    if await tx.people.member(invitation.workspace, user) is not None:
        raise Conflict("already_member", "You are a member of this workspace already.")
    return await _take(tx, token, invitation, known, now), invitation


async def _take(tx: IdentityTx, token: str, invitation: Invitation, user: User, now: datetime) -> Member:
    digest = tokens.hash_token(token, tokens.INVITATION)
    if digest is None or not await tx.entry.take_invitation(digest, now):
        raise _gone()
    actor = Actor(invitation.workspace, "session", user.id)
    await tx.audit.append(actor, "invitation.accepted", invitation.id, {"email": invitation.email}, now=now)
    return await join(tx, actor, user, invitation.role, now)


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
