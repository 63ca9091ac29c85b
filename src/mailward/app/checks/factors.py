"""AUTHN-1 to AUTHN-3: weak passwords are refused, sessions end, a second factor works once and ends what was before.

Each makes a person in a transaction that is undone: nothing of it stays, in the store or in the log.
"""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import BinaryIO

from msgspec import structs

from mailward.app.checks.inside import Inside
from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.app.store import Tx
from mailward.app.web import always_two
from mailward.base import ids
from mailward.base.errors import Conflict, Invalid, MailwardError, StepUpRequired, Unauthenticated
from mailward.base.ids import UserId
from mailward.core.evidence.model import Finding, failed, passed
from mailward.core.identity import breached, factors, passwords, sessions, tokens, totp
from mailward.core.identity.lookup import Doorkeeper
from mailward.core.identity.model import SESSION_ABSOLUTE, SESSION_IDLE, Member, Session, User
from mailward.core.operators.model import Operator, Register
from mailward.policy.access import Role

# Beyond these a limit is none.
_LONGEST_IDLE, _LONGEST = timedelta(days=1), timedelta(days=30)
_COMMON = ("password123456", "qwertyuiop1234", "Password1!")
_KNOWN = ("Password123", "qwerty123")
# SHA-1 of the good one and of the weak ones, as lists of breached passwords have them.
_HASHES = (
    "1D7B74B0F11DF605A6DFF041C3C1D12544F882F2",
    "32CA9FC1A0F5B6330E3F4C8C1BBECDE9BEDB9573",
    "98A16C09B0759E63EF7DF53592724E8EEDDB953A",
    "ABFF34FA0BF7A06328A538AEFED9809108822E04",
)
_GOOD = " ".join(("violet", "tractor", "hums", "quietly", "beyond", "dunes"))


class _Undone(Exception):
    """Carries what was found out of a transaction that is to leave nothing behind."""

    def __init__(self, wrong: list[str]) -> None:
        super().__init__()
        self.wrong = wrong


class _Seal:
    """The vault, as `core.identity.ports.Sealer`."""

    def __init__(self, context: Context) -> None:
        self._vault = context.installation.vault

    def seal(self, owner: str, secret: bytes) -> bytes:
        return self._vault.seal("factor", secret, owner.encode())

    def unseal(self, owner: str, sealed: bytes) -> bytes:
        return self._vault.unseal("factor", sealed, owner.encode())


@check("AUTHN-1")
async def weak_passwords_are_refused(context: Context) -> Finding:
    """Offer passwords that everybody knows, one of a megabyte, and a good one; look for some in a list of hashes."""
    return weak_refused(passwords.judge, breached.in_sorted_file)


def weak_refused(judge: Callable[[str], None], listed: Callable[[BinaryIO, str], bool]) -> Finding:
    """What `judge` says of them, and what `listed` finds in a list as the operator's is."""
    # Weak by themselves, and known from the list that ships with us, whatever their letters are worth.
    for text, wanted in (*((t, "") for t in _COMMON), *((t, "password_common") for t in _KNOWN), ("x" * 1_000_000, "")):
        try:
            judge(text)
        except Invalid as e:
            if len(e.public) < 20:
                return failed("a weak password is refused without advice")
            if wanted and e.code != wanted:
                return failed("a password of the list of common ones is not refused as one")
        else:
            return failed("a password that everybody knows is taken")
    try:
        judge(_GOOD)
    except Invalid:
        return failed("a good password is refused")
    file = "".join(f"{h}:{n}\r\n" for n, h in enumerate(_HASHES, 1)).encode()
    if not all(listed(io.BytesIO(file), text) for text in (_GOOD, *_COMMON)) or listed(io.BytesIO(file), f"{_GOOD}!"):
        return failed("a password is not found in a list of breached ones, or one that is not there is")
    return passed(
        f"{len(_COMMON) + len(_KNOWN)} common passwords and a megabyte are refused with advice, a good one is not; "
        f"each of a list of {len(_HASHES)} hashes is found in it"
    )


@check("AUTHN-2")
async def sessions_end(context: Context) -> Finding:
    """Begin a session, look for its token in the store, renew it, end it, and look how old one may grow."""

    async def act(tx: Tx, user: User, now: datetime) -> list[str]:
        wrong = []
        first, token = await _session(tx, context, user, now)
        digest = tokens.hash_token(token, tokens.SESSION)
        assert digest is not None
        if token.encode() in b"".join(await tx.evidence.session_hashes()):
            wrong.append("a token is stored as it is")
        _, renewed = await sessions.step_up(tx, first, "password", now=now, entropy=context.entropy)
        if await tx.people.session_by_token(digest) is not None:
            wrong.append("the old token works after a renewal")
        after = tokens.hash_token(renewed.reveal(), tokens.SESSION)
        assert after is not None
        if await tx.people.session_by_token(after) is None:
            wrong.append("the new token does not work")
        before = await tx.revocations.current()
        await tx.people.revoke_session(first.id)
        await tx.revocations.bump()
        if await tx.people.session_by_token(after) is not None or await tx.revocations.current() <= before:
            wrong.append("an ended session is still known")
        return wrong + await _limits_hold(tx, context, user, now)

    wrong = await _undone(context, act)
    ends = f"idle {SESSION_IDLE.total_seconds() / 3600:.0f} h, at most {SESSION_ABSOLUTE.days} days"
    told = f"a token is stored as a hash, renewed, listed with its device and place, and ended; {ends}, at the door too"
    return failed(", ".join(wrong)) if wrong else passed(told)


async def _limits_hold(tx: Tx, context: Context, user: User, now: datetime) -> list[str]:
    """What is wrong with how long the door of the dashboard takes a session, and with how sessions are listed."""
    door, wrong = Doorkeeper(Inside(tx)), []

    async def let_in(token: str, at: datetime) -> bool:
        try:
            await door.authenticate_session(token, None, now=at)
        except Unauthenticated:
            return False
        return True

    used, token = await _session(tx, context, user, now)
    listed = [s for s in await tx.people.sessions(user.id) if s.id == used.id]
    if [(s.device, s.address, s.created) for s in listed] != [("check", "192.0.2.1", now)]:
        wrong.append("a session is not listed with its device, place and time")
    soon = timedelta(minutes=1)
    if not await let_in(token, now) or await let_in(token, now + SESSION_IDLE):
        wrong.append("a session that idled is let in, or a fresh one is not")
    end = now + SESSION_ABSOLUTE
    await tx.people.seen(used, end - 2 * soon)
    if not await let_in(token, end - soon) or await let_in(token, end):
        wrong.append("a session that was used all the time has no end, or ends too early")
    if SESSION_IDLE > _LONGEST_IDLE or SESSION_ABSOLUTE > _LONGEST:
        wrong.append("the limits of a session are no limits")
    await tx.people.revoke_session(used.id)
    if await let_in(token, now):
        wrong.append("an ended session is let in")
    return wrong


@check("AUTHN-3")
async def a_second_factor_works_once(context: Context) -> Finding:
    """Add an authenticator app, show its code twice, a recovery code twice, and look at what came before."""

    async def act(tx: Tx, user: User, now: datetime) -> list[str]:
        import pyotp

        wrong, seal = [], _Seal(context)
        own, _ = await _session(tx, context, user, now)
        elsewhere, _ = await _session(tx, context, user, now)
        wrong += await _can_be_required(tx, context, user, now)
        secret = await factors.begin_totp(tx, own, seal, now=now, entropy=context.entropy)
        app = pyotp.TOTP(totp.shown(secret))
        codes = await factors.add_totp(tx, own, app.at(now), seal, name="check", now=now, entropy=context.entropy)
        if elsewhere.id in {s.id for s in await tx.people.sessions(user.id)}:
            wrong.append("a session from before outlives the first factor")
        later = now + timedelta(seconds=60)
        shown = [
            await factors.show_code(tx, user.id, text, seal, context=b"check", now=later)
            for text in (app.at(later), app.at(later), f"{app.at(later)[:3]} {app.at(later)[3:]}", codes[0], codes[0])
        ]
        if shown != ["totp", None, None, "recovery", None]:
            wrong.append(f"codes proved {shown}")
        stored = await tx.factors.of(user.id)
        if any(secret in f.secret for f in stored):
            wrong.append("the secret is stored as it is")
        try:
            await factors.remove(tx, own, stored[0].id, now=now + sessions.RECENT)
            wrong.append("a factor is removed without a fresh proof")
        except StepUpRequired:
            pass
        try:
            await factors.begin_totp(tx, own, seal, now=now, entropy=context.entropy)
            wrong.append("a second secret is shown beside the first")
        except Conflict:
            pass
        return wrong

    wrong = await _undone(context, act)
    if wrong:
        return failed(", ".join(wrong))
    return passed(
        "a code and a recovery code work once, sessions from before end, changes ask for a fresh proof; where a second "
        "factor is required, and of an operator, a session without one is good for nothing else"
    )


async def _can_be_required(tx: Tx, context: Context, user: User, now: datetime) -> list[str]:
    """What is wrong with whom the door of the dashboard asks for a second factor; afterwards nobody is asked."""
    door, place, wrong = Doorkeeper(Inside(tx)), context.actor.workspace, []
    door.always_two = always_two(context.settings.sign_in)
    found = await tx.workspaces.get(place)
    assert found is not None
    _, token = await _session(tx, context, user, now)

    async def asked() -> tuple[str, bool]:
        actor, session = await door.authenticate_session(token, None, now=now)
        return session.missing, bool(actor.permissions)

    everybody = context.settings.sign_in.second_factor == "everybody"
    for required, wanted in ((True, ("enrol", False)), (False, ("enrol", False) if everybody else ("", True))):
        await tx.workspaces.change_settings(place, structs.replace(found.settings, second_factor=required))
        if await asked() != wanted:
            wrong.append("a required second factor is not asked for" if required else "a factor is asked for unasked")
    operator = Operator(user.id, user.email, now, context.actor.id, Register())
    await tx.operators.add(operator)
    if await asked() != ("enrol", False):
        wrong.append("an operator is not asked for a second factor")
    await tx.operators.change(replace(operator, ended=now, ended_by=context.actor.id))
    return wrong


@check("AUTHN-3")
async def operators_have_a_second_factor(context: Context) -> Finding:
    """Count operators without one: they are let in to add it, and to nothing else."""

    async def look(tx: Tx) -> tuple[int, int]:
        serving = await tx.operators.serving()
        return len(serving), sum([not await tx.factors.of(o.id) for o in serving])

    serving, without = await context.store.system_read(look)
    if without:
        return failed(f"{without} of {serving} operators have no second factor yet; they can do nothing before")
    return passed(f"{serving} operators, each with a second factor")


async def _session(tx: Tx, context: Context, user: User, now: datetime) -> tuple[Session, str]:
    made, token = await sessions.create_session(
        tx, user.id, context.actor.workspace, Role.MEMBER, device="check", address="192.0.2.1", now=now,
        entropy=context.entropy,
    )  # fmt: skip
    return made, token.reveal()


async def _undone(context: Context, act: Callable[[Tx, User, datetime], Awaitable[list[str]]]) -> list[str]:
    now = context.clock.now()
    id = UserId(ids.new("usr", now, context.entropy))
    user = User(id, f"{id}@evidence.invalid", "Evidence", passwords.NOBODY, now)

    async def whole(tx: Tx) -> None:
        await tx.people.add_user(user)
        member = Member(id, user.email, user.name, Role.MEMBER, now)
        await tx.people.add_member(context.actor.workspace, member)
        raise _Undone(await act(tx, user, now))

    try:
        await context.store.system_write(whole)
    except _Undone as e:
        return e.wrong
    except MailwardError as e:
        return [e.code]
    return ["the transaction was not undone"]
