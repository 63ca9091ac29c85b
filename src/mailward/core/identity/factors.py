"""Second factors: add, show, remove. Every change ends what was proved without it.

All of it is in the system scope, because a person's factors hold in every workspace.
Adding or removing one asks for a session in which its person proved themselves lately
(`sessions.require_recent`), and ends every other session.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import msgspec

from mailward.base import ids
from mailward.base.errors import Conflict, Invalid, LimitReached, NotFound, Unauthenticated
from mailward.base.ids import UserId
from mailward.base.sources import Entropy
from mailward.core.identity import passkeys, recovery, tickets, totp
from mailward.core.identity.model import Factor, FactorKind, Session, TicketKind, TrustedDevice, User
from mailward.core.identity.passkeys import Site
from mailward.core.identity.ports import IdentityTx, Sealer
from mailward.core.identity.sessions import note_everywhere, require_recent
from mailward.core.workspaces.change import good_name
from mailward.policy import access
from mailward.policy.access import Actor, Permission

MOST_PASSKEYS = 10
CODE_TRIES = 5
_CODE_EVERY = timedelta(seconds=30)
TRUST = timedelta(days=30)


# -- what somebody shows --------------------------------------------------------------------------


async def show_code(
    tx: IdentityTx,
    user: UserId,
    text: str,
    sealer: Sealer,
    *,
    context: bytes,
    by_mail: bool = True,
    now: datetime,
) -> str | None:
    """What a typed code proves: "totp", "email" or "recovery"; None when nothing. It is used up by that.

    `context` is the step it was typed in: a mailed code is good in the step it was mailed
    for. `by_mail` False where a letter was the first factor already (a reset). The caller
    counts the try before it asks.
    """
    code = totp.six_digits(text)
    if code is None:
        digest = recovery.hash_code(user, text)
        return "recovery" if digest is not None and await tx.factors.take_recovery_code(user, digest) else None
    for factor in await tx.factors.of(user):
        if factor.kind is FactorKind.TOTP:
            step = totp.step_of(sealer.unseal(user, factor.secret), code, now=now)
            # Of two who show the same code at once, the store lets one through.
            if step is not None and await tx.factors.advance(factor.id, step, now):
                return "totp"
    return "email" if by_mail and await _mailed(tx, user, code, context, now) else None


async def _mailed(tx: IdentityTx, user: UserId, code: str, context: bytes, now: datetime) -> bool:
    where = tickets.place(TicketKind.CODE, context)
    ticket = await tx.factors.ticket(where, TicketKind.CODE, now)
    if ticket is None or ticket.user != user or ticket.tries >= CODE_TRIES:
        return False
    await tx.factors.try_ticket(where)
    good = hmac.compare_digest(ticket.facts["code"], _code_digest(context, code))
    return good and await tx.factors.take_ticket(where)


async def new_mail_code(tx: IdentityTx, user: UserId, *, context: bytes, now: datetime, entropy: Entropy) -> str:
    """Six digits to be mailed, good for ten minutes in one step; an earlier one is void. LimitReached within 30 s."""
    where = tickets.place(TicketKind.CODE, context)
    before = await tx.factors.ticket(where, TicketKind.CODE, now)
    if before is not None and before.expires - tickets.LIVES[TicketKind.CODE] + _CODE_EVERY > now:
        raise LimitReached("code_just_sent", "A code was sent a moment ago. Look for it first.", retry_after=30.0)
    # 2^64 is so far above 10^6 that the remainder favours no code measurably.
    code = f"{int.from_bytes(entropy.bytes(8), 'big') % 1_000_000:06d}"
    await tickets.put(tx, TicketKind.CODE, context, user, {"code": _code_digest(context, code)}, now=now)
    return code


def _code_digest(context: bytes, code: str) -> str:
    return hashlib.sha256(b"mailward code\0" + context + code.encode()).hexdigest()


async def ask_for_passkey(
    tx: IdentityTx, user: UserId | None, site: Site, *, context: bytes, now: datetime, entropy: Entropy
) -> dict[str, Any]:
    """Options for the browser. `user` None: whoever holds one (sign-in by passkey alone)."""
    known = None
    if user is not None:
        known = [f.secret for f in await tx.factors.of(user) if f.kind is FactorKind.PASSKEY]
        if not known:
            raise NotFound("no_passkey", "There is no passkey for this account.")
    options, state = passkeys.ask_to_sign(site, known, entropy)
    facts = {"state": msgspec.json.encode(state).decode()}
    await tickets.put(tx, TicketKind.CEREMONY, context, user, facts, now=now)
    return options


async def show_passkey(
    tx: IdentityTx, user: UserId | None, answer: str, site: Site, *, context: bytes, now: datetime
) -> Factor:
    """The passkey that signed this step's challenge. Unauthenticated when none did; the challenge is used up.

    `user` None: the key says who it is, and must have checked its holder.
    """
    ticket = await tickets.take(tx, tickets.place(TicketKind.CEREMONY, context), TicketKind.CEREMONY, now=now)
    factor = await tx.factors.by_handle(passkeys.handle_in(answer))
    if factor is None or ticket.user != user or (user is not None and factor.user != user):
        raise _refused("unknown passkey")
    proof = passkeys.signed(site, msgspec.json.decode(ticket.facts["state"]), factor.secret, answer)
    if user is None and not proof.verified:
        raise _refused("holder not verified")
    # WebAuthn level 2 section 6.1.1: a counter that does not grow is that of a copy. Most passkeys have none: 0.
    if proof.counter or factor.counter:
        if not await tx.factors.advance(factor.id, proof.counter, now):
            raise _refused("signature counter went back")
    else:
        await tx.factors.touch(factor.id, now)
    return factor


def _refused(detail: str) -> Unauthenticated:
    return Unauthenticated("passkey_refused", "This passkey is not accepted here.", detail=detail)


# -- what somebody adds ---------------------------------------------------------------------------


async def begin_totp(tx: IdentityTx, session: Session, sealer: Sealer, *, now: datetime, entropy: Entropy) -> bytes:
    """A secret to be shown once and proved. Asking again before it is proved shows the same one."""
    await _may_add(tx, session, now)
    if any(f.kind is FactorKind.TOTP for f in await tx.factors.of(session.user)):
        raise Conflict("totp_there", "There is an authenticator app already. Remove it first.")
    where = tickets.place(TicketKind.ENROL, session.id.encode())
    before = await tx.factors.ticket(where, TicketKind.ENROL, now)
    if before is not None and before.user == session.user:
        return sealer.unseal(session.user, bytes.fromhex(before.facts["secret"]))
    secret = totp.new_secret(entropy)
    facts = {"secret": sealer.seal(session.user, secret).hex()}
    await tickets.put(tx, TicketKind.ENROL, session.id.encode(), session.user, facts, now=now)
    return secret


async def add_totp(
    tx: IdentityTx, session: Session, code: str, sealer: Sealer, *, name: str, now: datetime, entropy: Entropy
) -> list[str]:
    """The app shows the right code: from now on it is asked for. Recovery codes when these are the first, else []."""
    await _may_add(tx, session, now)
    where = tickets.place(TicketKind.ENROL, session.id.encode())
    ticket = await tickets.look(tx, where, TicketKind.ENROL, now=now)
    sealed = bytes.fromhex(ticket.facts["secret"])
    digits = totp.six_digits(code)
    step = None if digits is None else totp.step_of(sealer.unseal(session.user, sealed), digits, now=now)
    if ticket.user != session.user or step is None:
        raise Invalid("code_wrong", "This is not the code the app should show now. Is its clock right?", field="code")
    await tx.factors.take_ticket(where)
    return await _add(tx, session, FactorKind.TOTP, name, sealed, counter=step, now=now, entropy=entropy)


async def begin_passkey(
    tx: IdentityTx, session: Session, user: User, site: Site, *, now: datetime, entropy: Entropy
) -> dict[str, Any]:
    """Options for the browser to make a passkey with."""
    await _may_add(tx, session, now)
    known = [f.secret for f in await tx.factors.of(user.id) if f.kind is FactorKind.PASSKEY]
    if len(known) >= MOST_PASSKEYS:
        raise Conflict("too_many_passkeys", f"A person has at most {MOST_PASSKEYS} passkeys.")
    options, state = passkeys.ask_to_create(site, ids.decode("usr", user.id), user.email, known, entropy)
    facts = {"state": msgspec.json.encode(state).decode()}
    await tickets.put(tx, TicketKind.CEREMONY, b"new" + session.id.encode(), user.id, facts, now=now)
    return options


async def add_passkey(
    tx: IdentityTx, session: Session, answer: str, site: Site, *, name: str, now: datetime, entropy: Entropy
) -> list[str]:
    """What the browser made. Recovery codes when it is the first factor, else []."""
    await _may_add(tx, session, now)
    where = tickets.place(TicketKind.CEREMONY, b"new" + session.id.encode())
    ticket = await tickets.take(tx, where, TicketKind.CEREMONY, now=now)
    if ticket.user != session.user:
        raise tickets.gone()
    proof = passkeys.created(site, msgspec.json.decode(ticket.facts["state"]), answer)
    return await _add(
        tx, session, FactorKind.PASSKEY, name, proof.data,
        handle=proof.handle, counter=proof.counter, now=now, entropy=entropy,
    )  # fmt: skip


async def add_mail(tx: IdentityTx, session: Session, code: str, *, now: datetime, entropy: Entropy) -> list[str]:
    """One-time codes by mail, once a mailed one was typed. Recovery codes when it is the first factor, else []."""
    await _may_add(tx, session, now)
    if any(f.kind is FactorKind.EMAIL for f in await tx.factors.of(session.user)):
        raise Conflict("email_there", "Codes by email are on already.")
    digits = totp.six_digits(code)
    if digits is None or not await _mailed(tx, session.user, digits, b"new" + session.id.encode(), now):
        raise Invalid("code_wrong", "This is not the code that was mailed, or it is too old.", field="code")
    return await _add(tx, session, FactorKind.EMAIL, "Code by email", b"", now=now, entropy=entropy)


async def _may_add(tx: IdentityTx, session: Session, now: datetime) -> None:
    # Whoever has no factor yet was just led here from the password; whoever has one shows it.
    if await tx.factors.of(session.user) or session.missing != "enrol":
        require_recent(session, now)


async def _add(
    tx: IdentityTx,
    session: Session,
    kind: FactorKind,
    name: str,
    secret: bytes,
    *,
    handle: bytes | None = None,
    counter: int = 0,
    now: datetime,
    entropy: Entropy,
) -> list[str]:
    first = not await tx.factors.of(session.user)
    if handle is not None and await tx.factors.by_handle(handle) is not None:
        raise Conflict("passkey_known", "This passkey is registered already.")
    id = ids.new("fac", now, entropy)
    await tx.factors.add(
        Factor(id, session.user, kind, good_name(name), secret, now, handle=handle, counter=counter, used=now)
    )
    await _end_the_rest(tx, session)
    await note_everywhere(
        tx, session.user, "factor.added", {"factor": id, "kind": kind.value}, address=session.address, now=now
    )
    return await new_recovery_codes(tx, session, now=now, entropy=entropy) if first else []


# -- what somebody changes ------------------------------------------------------------------------


async def remove(tx: IdentityTx, session: Session, id: str, *, now: datetime) -> None:
    """Take a factor away. With the last one go the recovery codes and the trusted devices, which stood for it."""
    require_recent(session, now)
    if not await tx.factors.remove(session.user, id):
        raise NotFound("not_found", "There is no such factor.")
    if not await tx.factors.of(session.user):
        await tx.factors.set_recovery_codes(session.user, [], now)
    await _end_the_rest(tx, session)
    await note_everywhere(tx, session.user, "factor.removed", {"factor": id}, address=session.address, now=now)


async def new_recovery_codes(tx: IdentityTx, session: Session, *, now: datetime, entropy: Entropy) -> list[str]:
    """Ten fresh codes, shown this once; those from before are void."""
    if session.missing != "enrol":
        require_recent(session, now)
    if not await tx.factors.of(session.user):
        raise Conflict("no_factor", "Recovery codes stand in for a second factor. Add one first.")
    codes = recovery.new_codes(entropy)
    hashes = [digest for code in codes if (digest := recovery.hash_code(session.user, code)) is not None]
    await tx.factors.set_recovery_codes(session.user, hashes, now)
    await note_everywhere(
        tx, session.user, "recovery_codes.made", {"codes": str(len(codes))}, address=session.address, now=now
    )
    return codes


async def _end_the_rest(tx: IdentityTx, session: Session) -> None:
    await tx.people.revoke_sessions(session.user, keep=session.id)
    await tx.factors.revoke_devices(session.user)
    await tx.revocations.bump()


async def reset(tx: IdentityTx, actor: Actor, user: User, *, now: datetime) -> int:
    """Take away all that stands beside somebody's password, and end their sessions; how many factors.

    For the operator's shell, for who lost everything. System scope.
    """
    access.require(actor, Permission.WORKSPACE_CHANGE)
    known = await tx.factors.of(user.id)
    for factor in known:
        await tx.factors.remove(user.id, factor.id)
    await tx.factors.set_recovery_codes(user.id, [], now)
    await _end_all(tx, user.id)
    await _note_by(tx, actor, user, "factor.all_removed", {"factors": str(len(known))}, now)
    return len(known)


async def sign_out(tx: IdentityTx, actor: Actor, user: User, *, now: datetime) -> int:
    """End everything somebody has open; how many sessions. For the operator's shell. System scope."""
    access.require(actor, Permission.WORKSPACE_CHANGE)
    ended = await _end_all(tx, user.id)
    await _note_by(tx, actor, user, "session.all_revoked", {"ended": str(ended)}, now)
    return ended


async def _end_all(tx: IdentityTx, user: UserId) -> int:
    ended = await tx.people.revoke_sessions(user)
    await tx.factors.revoke_devices(user)
    await tx.factors.drop_tickets(user)
    await tx.revocations.bump()
    return ended


async def _note_by(tx: IdentityTx, actor: Actor, user: User, act: str, facts: dict[str, str], now: datetime) -> None:
    """In the log of each of the person's workspaces, as the act of whoever holds the machine."""
    for workspace, _ in await tx.people.memberships(user.id):
        await tx.audit.append(replace(actor, workspace=workspace), act, user.id, facts, now=now)


# -- devices that are trusted ---------------------------------------------------------------------


def trust_hash(device_hash: bytes, user: UserId) -> bytes:
    """Under what a person's trust in a device is stored; two people may share a browser."""
    return hashlib.sha256(b"mailward trust\0" + user.encode() + device_hash).digest()


async def trust(
    tx: IdentityTx, session: Session, device_hash: bytes, *, now: datetime, entropy: Entropy
) -> TrustedDevice:
    """Ask for no second factor on this device for 30 days."""
    made = TrustedDevice(
        ids.new("dev", now, entropy), session.user, session.device, session.address, now, now, now + TRUST
    )
    digest = trust_hash(device_hash, session.user)
    before = await tx.factors.device(digest, now)
    if before is not None:
        await tx.factors.revoke_device(session.user, before.id)
    await tx.factors.add_device(made, digest)
    await note_everywhere(
        tx, session.user, "device.trusted", {"device": made.id, "name": made.device}, address=session.address, now=now
    )
    return made


async def distrust(tx: IdentityTx, session: Session, id: str, *, now: datetime) -> None:
    """Ask for a second factor there again."""
    if not await tx.factors.revoke_device(session.user, id):
        raise NotFound("not_found", "There is no such device.")
    await note_everywhere(tx, session.user, "device.distrusted", {"device": id}, address=session.address, now=now)
