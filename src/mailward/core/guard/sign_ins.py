"""A sign-in that happened: remember where it came from; hold a strange one; end what was not the owner's."""

from __future__ import annotations

from datetime import datetime

from mailward.base import ids
from mailward.base.errors import NotFound
from mailward.base.ids import UserId
from mailward.base.secret import Secret
from mailward.base.sources import Entropy
from mailward.core.guard.model import CONFIRM_LIFE, DISOWN_LIFE, Digests, Link, LinkKind, SignedIn
from mailward.core.guard.ports import GuardTx
from mailward.core.identity import passwords, people, tokens
from mailward.core.identity.model import Arrival, User
from mailward.policy.access import Actor
from mailward.policy.suspicion import Suspicion

# A ticket's prefix: scanners know it, and a link of another kind is refused before the store is asked.
_LINK = tokens.TICKET


async def record(
    tx: GuardTx,
    digests: Digests,
    user: User,
    arrival: Arrival,
    suspicion: Suspicion,
    *,
    position: tuple[float, float] | None = None,
    now: datetime,
    entropy: Entropy,
) -> Secret[str]:
    """A sign-in began: its browser and address are the account's own from now on. System scope.

    The token of the link by which the owner can say that it was not theirs.
    """
    await _add(tx, user, arrival, suspicion, position, now, entropy, began=True)
    tried = digests.tried(user.email, arrival.address, arrival.device_hash)
    places = [tried.at_address] if tried.at_device is None else [tried.at_address, tried.at_device]
    await tx.guard.remember(tried.account, places, now)
    return await _link(tx, LinkKind.DISOWN, user.id, arrival, now=now, entropy=entropy)


async def hold(
    tx: GuardTx,
    user: User,
    arrival: Arrival,
    suspicion: Suspicion,
    *,
    position: tuple[float, float] | None = None,
    now: datetime,
    entropy: Entropy,
) -> tuple[Secret[str], Secret[str]]:
    """A sign-in looks too strange: the tokens of the links that confirm and that disown it. System scope."""
    await _add(tx, user, arrival, suspicion, position, now, entropy, began=False)
    facts = {"address": arrival.address, "device": arrival.device, "why": " ".join(suspicion.reasons)}
    await _audit(tx, user.id, "sign_in.held", facts, now=now)
    return (
        await _link(tx, LinkKind.CONFIRM, user.id, arrival, now=now, entropy=entropy),
        await _link(tx, LinkKind.DISOWN, user.id, arrival, now=now, entropy=entropy),
    )


async def look(tx: GuardTx, token: str, kind: LinkKind, *, now: datetime) -> Link:
    """What a mailed link is about. NotFound when it does not work (any more). System scope."""
    digest = tokens.hash_token(token, _LINK)
    link = None if digest is None else await tx.guard.open_link(digest, kind, now)
    if link is None:
        raise NotFound("not_found", "This link does not work (any more).")
    return link


async def confirm(tx: GuardTx, digests: Digests, token: str, *, now: datetime) -> Link:
    """The owner says that a held sign-in is theirs: its browser and address are not asked again. System scope."""
    link, user = await _use(tx, token, LinkKind.CONFIRM, now)
    tried = digests.tried(user.email, link.address, link.device_hash)
    places = [tried.at_address] if tried.at_device is None else [tried.at_address, tried.at_device]
    await tx.guard.remember(tried.account, places, now)
    await _audit(tx, user.id, "sign_in.confirmed", {"address": link.address, "device": link.device}, now=now)
    return link


async def made_since(tx: GuardTx, actor: Actor, link: Link, *, now: datetime) -> int:
    """Revoke the keys, SMTP credentials and invitations that somebody made in the actor's workspace since the sign-in
    that `link` disowns. How many credentials."""
    revoked = await people.take_back(
        tx, actor, link.user, since=link.expires - DISOWN_LIFE, reason="the sign-in was not theirs", now=now
    )
    await tx.revocations.bump()
    return revoked


async def disown(tx: GuardTx, digests: Digests, token: str, *, address: str = "", now: datetime) -> User:
    """The owner says that a sign-in was not theirs. System scope.

    Every session ends, no browser is trusted or known any more, and the password is worth
    nothing until another is set: whoever signed in knew it. Factors and links to providers
    that were added since that sign-in go, with the recovery codes if there were any such:
    they would let the stranger in again, and keep the owner out.
    """
    link, user = await _use(tx, token, LinkKind.DISOWN, now)
    since = link.expires - DISOWN_LIFE
    ended = await tx.people.revoke_sessions(user.id)
    await tx.guard.forget_places(digests.account(user.email))
    await tx.people.set_password(user.id, passwords.NOBODY)
    await tx.factors.revoke_devices(user.id)
    await tx.factors.drop_tickets(user.id)
    added = [factor for factor in await tx.factors.of(user.id) if factor.created >= since]
    for factor in added:
        await tx.factors.remove(user.id, factor.id)
    if added:
        await tx.factors.set_recovery_codes(user.id, [], now)
    linked = [known for known in await tx.entry.links(user.id) if known.created >= since]
    for known in linked:
        await tx.entry.remove_link(known)
    await tx.revocations.bump()
    facts = {
        "sign_in_from": link.address,
        "sessions": str(ended),
        "factors": str(len(added)),
        "links": str(len(linked)),
    }
    await _audit(tx, user.id, "sign_in.disowned", facts, address=address, now=now)
    return user


async def _use(tx: GuardTx, token: str, kind: LinkKind, now: datetime) -> tuple[Link, User]:
    link = await look(tx, token, kind, now=now)
    digest = tokens.hash_token(token, _LINK)
    user = await tx.people.user(link.user)
    if digest is None or user is None or not await tx.guard.take_link(digest, now):
        raise NotFound("not_found", "This link does not work (any more).")
    return link, user


async def _add(
    tx: GuardTx,
    user: User,
    arrival: Arrival,
    suspicion: Suspicion,
    position: tuple[float, float] | None,
    now: datetime,
    entropy: Entropy,
    *,
    began: bool,
) -> None:
    await tx.guard.add_sign_in(
        SignedIn(
            ids.decode("sin", ids.new("sin", now, entropy)),
            user.id,
            now,
            suspicion.level,
            began,
            arrival.address,
            arrival.device,
            arrival.device_hash,
            arrival.place,
            arrival.network,
            position,
            suspicion.reasons,
        )
    )


async def _link(
    tx: GuardTx, kind: LinkKind, user: UserId, arrival: Arrival, *, now: datetime, entropy: Entropy
) -> Secret[str]:
    token = tokens.new_token(_LINK, entropy)
    digest = tokens.hash_token(token.reveal(), _LINK)
    assert digest is not None
    life = CONFIRM_LIFE if kind is LinkKind.CONFIRM else DISOWN_LIFE
    a = arrival
    await tx.guard.add_link(
        digest, Link(kind, user, now + life, a.address, a.device, a.device_hash, a.place, a.network)
    )
    return token


async def _audit(
    tx: GuardTx, user: UserId, act: str, facts: dict[str, str], *, address: str = "", now: datetime
) -> None:
    """In the log of each workspace the person belongs to."""
    for workspace, _ in await tx.people.memberships(user):
        await tx.audit.append(Actor(workspace, "session", user, address=address), act, user, facts, now=now)
