"""Identities at other providers: which person they sign in, and how they come to be linked.

A link is by issuer and subject, which a provider never gives to somebody else; an address
is used once, to find the account to link, and only when the provider says it verified it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256

from mailward.base.errors import Conflict, NotFound, Unauthenticated
from mailward.base.ids import UserId
from mailward.core.identity import passwords
from mailward.core.identity.entry import Identity, Link
from mailward.core.identity.model import FactorKind, User
from mailward.core.identity.ports import IdentityTx
from mailward.policy.access import Actor

_MOST_LINKS = 10


async def person_of(
    tx: IdentityTx, identity: Identity, *, by_address: bool = True, address: str = "", now: datetime
) -> tuple[User, bool]:
    """Whom an identity signs in, and whether it was linked just now, by its verified address. System scope.

    Unauthenticated when it is nobody: no link, no verified address, no account under it, or an account that is
    linked to another identity of the same provider. All of these answer alike.
    """
    link = await tx.entry.link(identity.issuer, identity.subject)
    if link is not None:
        user = await tx.people.user(link.user)
        if user is None or user.disabled is not None:
            raise _nobody("the linked person has no access")
        await tx.entry.used_link(link, identity.email or link.email, now)
        return user, False
    if not identity.email or not by_address:
        raise _nobody("no link and no verified address")
    user = await tx.people.user_by_email(identity.email)
    if user is None or user.disabled is not None:
        raise _nobody("no account under the verified address")
    if any(known.issuer == identity.issuer for known in await tx.entry.links(user.id)):
        # The address moved to another person at the provider, or somebody there took it: the link in place wins.
        raise _nobody("the account is linked to another identity of this issuer")
    await _add(tx, user.id, identity, now, how="verified address", address=address)
    return user, True


async def link(tx: IdentityTx, actor: Actor, identity: Identity, *, now: datetime) -> Link:
    """Link an identity to the person who is signed in and has lately proved it. System scope.

    Conflict when it signs in somebody else, or the person has one of this issuer already.
    """
    user = UserId(actor.id)
    taken = await tx.entry.link(identity.issuer, identity.subject)
    if taken is not None:
        if taken.user == user:
            return taken
        raise Conflict("identity_taken", "This identity signs in another account. Remove it there first.")
    known = await tx.entry.links(user)
    if any(k.issuer == identity.issuer for k in known):
        raise Conflict("already_linked", "Your account is linked to another identity of this provider.")
    if len(known) >= _MOST_LINKS:
        raise Conflict("too_many_links", f"At most {_MOST_LINKS} identities can be linked.")
    return await _add(tx, user, identity, now, how="signed in", address=actor.address)


async def adopt(tx: IdentityTx, user: User, identity: Identity, *, address: str = "", now: datetime) -> Link:
    """Link an identity to somebody who joins with it. System scope; Conflict when it signs in somebody already."""
    if await tx.entry.link(identity.issuer, identity.subject) is not None:
        raise Conflict(
            "identity_taken", "This identity signs in another account. Sign in with it, or join another way."
        )
    return await _add(tx, user.id, identity, now, how="invitation", address=address)


async def unlink(tx: IdentityTx, actor: Actor, id: str, *, now: datetime) -> None:
    """Remove a link of the actor's own. Its way in is closed at once. System scope; NotFound when it is not theirs.

    Conflict for the last one of somebody who has neither a password nor a passkey: it is their only way in.
    """
    links = await tx.entry.links(UserId(actor.id))
    for known in links:
        if link_id(known) == id:
            if len(links) == 1 and not await _otherwise(tx, UserId(actor.id)):
                raise Conflict("only_way_in", "This is your only way in: set a password or add a passkey first.")
            await tx.entry.remove_link(known)
            facts = {"provider": known.provider, "email": known.email}
            await tx.audit.append(actor, "identity.unlinked", actor.id, facts, now=now)
            return
    raise NotFound("not_found", "There is no such link.")


async def list_links(tx: IdentityTx, user: UserId) -> Sequence[Link]:
    """A person's links, oldest first. System scope."""
    return await tx.entry.links(user)


def link_id(link: Link) -> str:
    """What a page calls a link: neither issuer nor subject can be read from it."""
    return sha256(f"link\n{link.issuer}\n{link.subject}".encode()).hexdigest()[:32]


async def _otherwise(tx: IdentityTx, user: UserId) -> bool:
    found = await tx.people.user(user)
    if found is not None and found.password != passwords.NOBODY:
        return True
    return any(factor.kind is FactorKind.PASSKEY for factor in await tx.factors.of(user))


async def _add(tx: IdentityTx, user: UserId, identity: Identity, now: datetime, *, how: str, address: str) -> Link:
    made = Link(user, identity.provider, identity.issuer, identity.subject, identity.email, now, now)
    await tx.entry.add_link(made)
    facts = {"provider": identity.provider, "issuer": identity.issuer, "email": identity.email, "by": how}
    for workspace, _ in await tx.people.memberships(user):
        own = Actor(workspace, "session", user, address=address)
        await tx.audit.append(own, "identity.linked", user, facts, now=now)
    return made


def _nobody(detail: str) -> Unauthenticated:
    return Unauthenticated(
        "no_such_account",
        "This identity does not sign in anyone here. Sign in another way and link it, or ask for an invitation.",
        detail=detail,
    )
