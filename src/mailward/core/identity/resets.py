"""Another password by letter, and another address by two letters. Neither is a way around a second factor."""

from __future__ import annotations

from datetime import datetime

from mailward.base.errors import Conflict, Invalid
from mailward.base.ids import UserId
from mailward.base.secret import Secret
from mailward.base.sources import Entropy
from mailward.core.identity import tickets
from mailward.core.identity.model import Session, Ticket, TicketKind, User
from mailward.core.identity.people import change_password, good_email
from mailward.core.identity.ports import IdentityTx
from mailward.core.identity.sessions import note_everywhere, require_recent


async def ask_reset(
    tx: IdentityTx, email: str, *, address: str = "", now: datetime, entropy: Entropy
) -> tuple[User, Secret[str]] | None:
    """The token for a letter; None when nobody with access has the address. The asker must not learn which. System."""
    user = await tx.people.user_by_email(email.strip())
    if user is None or user.disabled is not None or not await tx.people.memberships(user.id):
        return None
    token = await tickets.issue(tx, TicketKind.RESET, user.id, {}, now=now, entropy=entropy)
    await note_everywhere(tx, user.id, "password.reset_asked", {}, address=address, now=now)
    return user, token


async def whose_reset(tx: IdentityTx, token: str, *, now: datetime) -> tuple[User, bool]:
    """Whose password a link sets, and whether a second factor has to be shown. NotFound when it is over. System."""
    ticket = await tickets.look(tx, tickets.digest_of(token), TicketKind.RESET, now=now)
    user = None if ticket.user is None else await tx.people.user(ticket.user)
    if user is None or user.disabled is not None:
        raise tickets.gone()
    return user, bool(await tx.factors.of(user.id))


async def finish_reset(tx: IdentityTx, token: str, password_hash: str, *, address: str = "", now: datetime) -> User:
    """Use the link up: every session ends, no device is trusted any more, no step that waits goes on. System scope.

    The password was judged and hashed, and the second factor shown, before.
    """
    ticket = await tickets.take(tx, tickets.digest_of(token), TicketKind.RESET, now=now)
    user = None if ticket.user is None else await tx.people.user(ticket.user)
    if user is None or user.disabled is not None:
        raise tickets.gone()
    await change_password(tx, user, password_hash, keep=None, address=address, now=now)
    await tx.factors.revoke_devices(user.id)
    await tx.factors.drop_tickets(user.id)
    return user


async def ask_address(
    tx: IdentityTx, session: Session, user: User, email: str, *, now: datetime, entropy: Entropy
) -> tuple[str, Secret[str], Secret[str]]:
    """The wanted address, and tokens for letters to the old one and the new one. Both have to be opened. System scope.

    Whether somebody has the address already is not said here.
    """
    require_recent(session, now)
    wanted = good_email(email)
    if wanted.lower() == user.email.lower():
        raise Invalid("same_email", "This is your address already.", field="email")
    facts = {"to": wanted, "from": user.email}
    old = await tickets.issue(tx, TicketKind.OLD_ADDRESS, user.id, facts, now=now, entropy=entropy)
    new = await tickets.issue(
        tx, TicketKind.NEW_ADDRESS, user.id, dict(facts, other=_name(old)), now=now, entropy=entropy
    )
    await tx.factors.change_ticket(tickets.digest_of(old.reveal()), dict(facts, other=_name(new)))
    await note_everywhere(tx, user.id, "email.change_asked", {"to": wanted}, address=session.address, now=now)
    return wanted, old, new


async def look_at_address(tx: IdentityTx, token: str, *, now: datetime) -> Ticket:
    """What a link of either letter is about. NotFound when it is over. System scope."""
    return (await _side(tx, token, now))[1]


async def confirm_address(tx: IdentityTx, token: str, *, address: str = "", now: datetime) -> bool:
    """One side agrees: True when that was the second one, and the address is changed. System scope.

    Conflict when somebody else has the address by now; NotFound for a link that is over.
    Every session ends with the old address: whoever sits in one signs in under the new.
    """
    digest, ticket = await _side(tx, token, now)
    other = bytes.fromhex(ticket.facts["other"])
    kind = TicketKind.NEW_ADDRESS if ticket.kind is TicketKind.OLD_ADDRESS else TicketKind.OLD_ADDRESS
    await tx.factors.change_ticket(digest, dict(ticket.facts, agreed="1"))
    second = await tickets.look(tx, other, kind, now=now)
    if not second.facts.get("agreed"):
        return False
    user = None if ticket.user is None else await tx.people.user(ticket.user)
    if user is None or user.disabled is not None or user.email != ticket.facts["from"]:
        raise tickets.gone()
    if await tx.people.user_by_email(ticket.facts["to"]) is not None:
        raise Conflict("email_taken", "This address cannot be used.")
    await tx.people.set_email(user.id, ticket.facts["to"])
    await _end(tx, user.id)
    facts = {"from": user.email, "to": ticket.facts["to"]}
    await note_everywhere(tx, user.id, "email.changed", facts, address=address, now=now)
    return True


async def _end(tx: IdentityTx, user: UserId) -> None:
    await tx.people.revoke_sessions(user)
    await tx.factors.revoke_devices(user)
    await tx.factors.drop_tickets(user)
    await tx.revocations.bump()


async def _side(tx: IdentityTx, token: str, now: datetime) -> tuple[bytes, Ticket]:
    digest = tickets.digest_of(token)
    for kind in (TicketKind.OLD_ADDRESS, TicketKind.NEW_ADDRESS):
        found = await tx.factors.ticket(digest, kind, now)
        if found is not None:
            return digest, found
    raise tickets.gone()


def _name(token: Secret[str]) -> str:
    return tickets.digest_of(token.reveal()).hex()
