"""Tickets: a step that was begun, to be finished by whoever holds its token, once and in time."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from mailward.base.errors import NotFound
from mailward.base.ids import UserId
from mailward.base.secret import Secret
from mailward.base.sources import Entropy
from mailward.core.identity import tokens
from mailward.core.identity.model import Ticket, TicketKind
from mailward.core.identity.ports import IdentityTx

LIVES = {
    TicketKind.SIGN_IN: timedelta(minutes=10),
    TicketKind.ENROL: timedelta(minutes=30),
    TicketKind.CEREMONY: timedelta(minutes=5),
    TicketKind.CODE: timedelta(minutes=10),
    TicketKind.RESET: timedelta(hours=1),
    TicketKind.OLD_ADDRESS: timedelta(hours=24),
    TicketKind.NEW_ADDRESS: timedelta(hours=24),
}


async def issue(
    tx: IdentityTx, kind: TicketKind, user: UserId | None, facts: dict[str, str], *, now: datetime, entropy: Entropy
) -> Secret[str]:
    """A new ticket's token. System scope."""
    token = tokens.new_token(tokens.TICKET, entropy)
    digest = tokens.hash_token(token.reveal(), tokens.TICKET)
    assert digest is not None
    await tx.factors.add_ticket(digest, Ticket(kind, user, facts, now + LIVES[kind]))
    return token


def digest_of(token: str) -> bytes:
    """Under what a token's ticket is stored; NotFound when it is no token of ours."""
    digest = tokens.hash_token(token, tokens.TICKET)
    if digest is None:
        raise gone()
    return digest


async def look(tx: IdentityTx, digest: bytes, kind: TicketKind, *, now: datetime) -> Ticket:
    """The ticket; NotFound when it was used, ended, or is another kind. System scope."""
    found = await tx.factors.ticket(digest, kind, now)
    if found is None:
        raise gone()
    return found


async def take(tx: IdentityTx, digest: bytes, kind: TicketKind, *, now: datetime) -> Ticket:
    """The ticket, used up: of two who come at once, one gets it. System scope."""
    found = await look(tx, digest, kind, now=now)
    if not await tx.factors.take_ticket(digest):
        raise gone()
    return found


def place(kind: TicketKind, context: bytes) -> bytes:
    """Where the one ticket of a kind within another step (a sign-in, a session) is stored: it needs no own cookie."""
    return hashlib.sha256(b"mailward ticket\0" + kind.value.encode() + b"\0" + context).digest()


async def put(
    tx: IdentityTx, kind: TicketKind, context: bytes, user: UserId | None, facts: dict[str, str], *, now: datetime
) -> None:
    """Put a ticket in its place, instead of one that is there. System scope."""
    where = place(kind, context)
    await tx.factors.take_ticket(where)
    await tx.factors.add_ticket(where, Ticket(kind, user, facts, now + LIVES[kind]))


def gone() -> NotFound:
    """One answer for used, ended and made up."""
    return NotFound("step_over", "This step is over. Begin again.")
