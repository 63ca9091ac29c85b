"""Signing in, the one way for all: guard, first proof, suspicion, second factor, session, letter.

What was proved so far is in a ticket between two requests, so a step cannot be left out,
repeated or taken from elsewhere. Hashing runs beside the loop, never in a transaction.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from mailward.base.errors import Forbidden, Invalid, MailwardError, NotFound, Unauthenticated
from mailward.base.ids import UserId, WorkspaceId
from mailward.base.secret import Secret
from mailward.base.sources import Entropy
from mailward.core.identity import factors, passwords, restrictions, tickets
from mailward.core.identity.model import (
    SECOND_FACTORS,
    Arrival,
    Factor,
    FactorKind,
    Session,
    Ticket,
    TicketKind,
    User,
)
from mailward.core.identity.passkeys import Site
from mailward.core.identity.people import change_password, use_setup_link
from mailward.core.identity.ports import Entrance, IdentityTx, PasswordThreads, Sealer
from mailward.core.identity.sessions import create_session, session_actor
from mailward.core.workspaces.model import Workspace
from mailward.core.workspaces.system import SystemStore
from mailward.policy.access import Actor, Role
from mailward.policy.suspicion import Level

_NOTE_EVERY = timedelta(minutes=1)
_NOTED = 10_000


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that began, and the token for the browser's cookie."""

    actor: Actor
    session: Session
    token: Secret[str]


@dataclass(frozen=True, slots=True)
class FactorMissing:
    """The first proof was right. `ticket` goes into a cookie; `methods` are what may be shown now."""

    ticket: Secret[str]
    methods: frozenset[str]


Progress = SignedIn | FactorMissing


@dataclass(frozen=True, slots=True)
class Means:
    """What the pipeline works with. `site` is whom passkeys are for."""

    threads: PasswordThreads
    entrance: Entrance
    sealer: Sealer
    site: Site
    entropy: Entropy


class SignIn:
    """The verbs of people who are not signed in yet, or prove themselves again."""

    def __init__(self, store: SystemStore[IdentityTx], means: Means) -> None:
        self._store = store
        self._means = means
        self._entropy = means.entropy
        self._noted: dict[str, datetime] = {}

    # -- the first proof ----------------------------------------------------------------------

    async def set_up(
        self, token: str, *, email: str, name: str, password: str, workspace: str, now: datetime,
        into: WorkspaceId | None = None,
    ) -> tuple[User, Workspace]:  # fmt: skip
        """Make the first owner with the setup link. Invalid for a weak password, before the link is used up."""
        await self._run(lambda: passwords.judge(password, about=(email, name, workspace)))
        hashed = await self._run(lambda: passwords.hash_password(password, self._entropy))
        return await self._store.system_write(
            lambda tx: use_setup_link(
                tx, token, email=email, name=name, password_hash=hashed, workspace=workspace, into=into, now=now,
                entropy=self._entropy,
            )
        )  # fmt: skip

    async def by_password(
        self,
        email: str,
        password: str,
        arrival: Arrival,
        *,
        proof: str = "",
        workspace: WorkspaceId | None = None,
        now: datetime,
    ) -> Progress:
        """Begin with an address and a password.

        An unknown address, a wrong password, a disabled person and one without a workspace
        get the same Unauthenticated after the same work; LimitReached and ChallengeRequired
        come before any of it, for known and unknown alike.
        """
        account, guard = email.strip(), self._means.entrance.guard
        if passwords.too_long(password):
            raise _wrong()
        await guard.before(account, arrival.address, "password", proof=proof, device=arrival.device_hash, now=now)
        user, places = await self._store.system_read(lambda tx: _person(tx, account))
        stored = user.password if user is not None else passwords.NOBODY
        matches = await self._run(lambda: passwords.verify_password(password, stored))
        if not matches or user is None or user.disabled is not None or _place(places, workspace) is None:
            await guard.failed(account, arrival.address, "password", now=now)
            if user is not None and places:
                await self._note_failure(user, places[0], arrival.address, "password", now)
            raise _wrong()
        await guard.passed(account, arrival.address, "password", device=arrival.device_hash, now=now)
        if passwords.needs_rehash(stored) and stored != passwords.NOBODY:
            fresh = await self._run(lambda: passwords.hash_password(password, self._entropy))
            await self._store.system_write(lambda tx: tx.people.set_password(user.id, fresh))
        # A challenge is spent with the try it was solved for; a sign-in that then looks odd has proved itself already.
        return await self.proved(user, "password", arrival, proven=bool(proof), workspace=workspace, now=now)

    async def ask_for_passkey(self, context: bytes, *, now: datetime) -> dict[str, Any]:
        """Options for signing in by passkey alone; `context` is this browser's."""
        m = self._means
        return await self._store.system_write(
            lambda tx: factors.ask_for_passkey(tx, None, m.site, context=context, now=now, entropy=m.entropy)
        )

    async def by_passkey(
        self, answer: str, context: bytes, arrival: Arrival, *, workspace: WorkspaceId | None = None, now: datetime
    ) -> Progress:
        """Begin with a passkey that checked its holder: it is both factors at once."""
        guard = self._means.entrance.guard
        await guard.before("", arrival.address, "factor", now=now)
        try:
            factor = await self._store.system_write(
                lambda tx: factors.show_passkey(tx, None, answer, self._means.site, context=context, now=now)
            )
            user, places = await self._store.system_read(lambda tx: _by_id(tx, factor.user))
            if user is None or user.disabled is not None or _place(places, workspace) is None:
                raise _wrong()
        except (Unauthenticated, NotFound):
            await guard.failed("", arrival.address, "factor", now=now)
            raise
        await guard.passed("", arrival.address, "factor", now=now)
        return await self.proved(user, "passkey", arrival, workspace=workspace, now=now)

    async def proved(
        self,
        user: User,
        how: str,
        arrival: Arrival,
        *,
        proven: bool = False,
        workspace: WorkspaceId | None = None,
        now: datetime,
    ) -> Progress:
        """Whatever proved first who they are (a password, a provider): what has to follow, or the session.

        Forbidden and ChallengeRequired as the entrance says; `proven` when a challenge was solved.
        """
        suspicion = await self._means.entrance.guard.weigh(user.id, arrival, now=now)

        async def look(tx: IdentityTx) -> tuple[list[tuple[WorkspaceId, Role]], list[Factor], bool]:
            places = [p for p in await tx.people.memberships(user.id) if workspace in (None, p[0])]
            if not places:
                raise _wrong()
            digest = None if arrival.device_hash is None else factors.trust_hash(arrival.device_hash, user.id)
            trusted = None if digest is None else await tx.factors.device(digest, now)
            return places, await tx.factors.of(user.id), trusted is not None and trusted.user == user.id

        places, known, trusted = await self._store.system_read(look)
        places = await self._admit(user, places, arrival, now)
        facts = {"how": how, "workspace": workspace or ""}
        if how not in SECOND_FACTORS and known:
            if not trusted or suspicion.level >= Level.MEDIUM:
                ticket = await self._store.system_write(
                    lambda tx: tickets.issue(tx, TicketKind.SIGN_IN, user.id, facts, now=now, entropy=self._entropy)
                )
                return FactorMissing(ticket, methods_of(known))
            facts["how"] = f"{how} device"
        return await self._end(user, places[0], facts, arrival, now, proven=proven)

    # -- the second -----------------------------------------------------------------------------

    async def waiting(self, ticket: str, *, now: datetime) -> tuple[User, frozenset[str]]:
        """Who has to show a second factor, and which ones they have. NotFound when the step is over."""
        digest = tickets.digest_of(ticket)

        async def look(tx: IdentityTx) -> tuple[User, frozenset[str]]:
            user, _ = await _whose(tx, digest, TicketKind.SIGN_IN, now)
            return user, methods_of(await tx.factors.of(user.id))

        return await self._store.system_read(look)

    async def new_mail_code(self, ticket: str, *, now: datetime) -> tuple[User, str]:
        """A code for a letter. NotFound when the person does not use codes by mail."""
        digest = tickets.digest_of(ticket)

        async def make(tx: IdentityTx) -> tuple[User, str]:
            user, _ = await _whose(tx, digest, TicketKind.SIGN_IN, now)
            if not any(f.kind is FactorKind.EMAIL for f in await tx.factors.of(user.id)):
                raise NotFound("not_found", "This account does not use codes by email.")
            return user, await factors.new_mail_code(tx, user.id, context=digest, now=now, entropy=self._entropy)

        return await self._store.system_write(make)

    async def ask_for_second_passkey(self, ticket: str, *, now: datetime) -> dict[str, Any]:
        """Options for showing a passkey or security key as the second factor."""
        digest, m = tickets.digest_of(ticket), self._means

        async def ask(tx: IdentityTx) -> dict[str, Any]:
            user, _ = await _whose(tx, digest, TicketKind.SIGN_IN, now)
            return await factors.ask_for_passkey(tx, user.id, m.site, context=digest, now=now, entropy=m.entropy)

        return await self._store.system_write(ask)

    async def second(
        self, ticket: str, arrival: Arrival, *, code: str = "", passkey: str = "", trust: bool = False, now: datetime
    ) -> SignedIn:
        """Show a second factor: a code of any kind, or a passkey. `trust`: not again on this device for 30 days.

        Unauthenticated when it is wrong or was used before; the guard counts tries before
        they are looked at, over all sign-ins of the person.
        """
        digest = tickets.digest_of(ticket)
        user, step = await self._store.system_read(lambda tx: _whose(tx, digest, TicketKind.SIGN_IN, now))
        shown = await self.show(user, arrival.address, digest, code=code, passkey=passkey, now=now)

        async def finish(tx: IdentityTx) -> list[tuple[WorkspaceId, Role]]:
            await tickets.take(tx, digest, TicketKind.SIGN_IN, now=now)
            places = await tx.people.memberships(user.id)
            return [p for p in places if step.facts["workspace"] in ("", p[0])]

        places = await self._admit(user, await self._store.system_write(finish), arrival, now)
        facts = dict(step.facts, how=f"{step.facts['how']} {shown}", trust="1" if trust else "")
        return await self._end(user, places[0], facts, arrival, now)

    async def show(
        self,
        user: User,
        source: str,
        context: bytes,
        *,
        code: str = "",
        passkey: str = "",
        by_mail: bool = True,
        now: datetime,
    ) -> str:
        """Check a second factor within a step: what it was. Counted before it is looked at; a wrong one is audited."""
        m = self._means
        await m.entrance.guard.before(user.email, source, "factor", now=now)
        try:
            if passkey:
                await self._store.system_write(
                    lambda tx: factors.show_passkey(tx, user.id, passkey, m.site, context=context, now=now)
                )
                shown: str | None = "passkey"
            else:
                shown = await self._store.system_write(
                    lambda tx: factors.show_code(tx, user.id, code, m.sealer, context=context, by_mail=by_mail, now=now)
                )
            if shown is None:
                raise Unauthenticated("code_wrong", "This code is not right, or it was used already.")
        except (Unauthenticated, Invalid, NotFound):
            await m.entrance.guard.failed(user.email, source, "factor", now=now)
            places = await self._store.system_read(lambda tx: tx.people.memberships(user.id))
            if places:
                await self._note_failure(user, places[0], source, "factor", now)
            raise
        await m.entrance.guard.passed(user.email, source, "factor", now=now)
        return shown

    # -- the end --------------------------------------------------------------------------------

    async def _end(
        self,
        user: User,
        place: tuple[WorkspaceId, Role],
        facts: dict[str, str],
        arrival: Arrival,
        now: datetime,
        *,
        proven: bool = False,
    ) -> SignedIn:
        two = bool(frozenset(facts["how"].split()) & (SECOND_FACTORS - {"device"}))
        suspicion = await self._means.entrance.let_in(user, arrival, factor=two, proven=proven)
        signed = await self._store.system_write(lambda tx: self.begin(tx, user.id, place, facts, arrival, now=now))
        await self._means.entrance.began(user, arrival, suspicion)
        return signed

    async def begin(
        self,
        tx: IdentityTx,
        user: UserId,
        place: tuple[WorkspaceId, Role],
        facts: dict[str, str],
        arrival: Arrival,
        *,
        now: datetime,
    ) -> SignedIn:
        """The session, in the caller's transaction. `facts["how"]` is what was proved."""
        how = frozenset(facts["how"].split())
        workspace, role = place
        session, token = await create_session(
            tx, user, workspace, role, device=arrival.device, address=arrival.address, network=arrival.network,
            place=arrival.place, factors=how, recent="device" not in how, now=now, entropy=self._entropy,
        )  # fmt: skip
        if arrival.device_hash is not None:
            if facts.get("trust"):
                await factors.trust(tx, session, arrival.device_hash, now=now, entropy=self._entropy)
            elif "device" in how:
                known = await tx.factors.device(factors.trust_hash(arrival.device_hash, user), now)
                if known is not None:
                    await tx.factors.use_device(known.id, now)
        return SignedIn(session_actor(session, role), session, token)

    # -- passwords ------------------------------------------------------------------------------

    async def change_password(self, actor: Actor, session: Session, old: str, new: str, *, now: datetime) -> None:
        """Set another password after proving the old one; every other session ends. Invalid for a weak one."""
        user = await self._store.system_read(lambda tx: tx.people.user(session.user))
        if user is None or actor.id != user.id:
            raise Unauthenticated("unauthenticated", "Please sign in again.")
        await self._run(lambda: passwords.judge(new, about=(user.email, user.name)))
        await self._means.entrance.guard.before(user.email, session.address, "password", now=now)
        if not await self._run(lambda: passwords.verify_password(old, user.password)):
            await self._means.entrance.guard.failed(user.email, session.address, "password", now=now)
            raise Unauthenticated("sign_in_failed", "The current password is not right.", detail="change password")
        await self._means.entrance.guard.passed(user.email, session.address, "password", now=now)
        hashed = await self._run(lambda: passwords.hash_password(new, self._entropy))

        async def act(tx: IdentityTx) -> None:
            await change_password(tx, user, hashed, keep=session.id, address=session.address, now=now)
            await tx.factors.drop_tickets(user.id)

        await self._store.system_write(act)

    async def again(self, user: User, password: str, source: str, *, now: datetime) -> str:
        """The password once more, from somebody without a second factor who is signed in. Unauthenticated if wrong."""
        await self._means.entrance.guard.before(user.email, source, "password", now=now)
        if not await self._run(lambda: passwords.verify_password(password, user.password)):
            await self._means.entrance.guard.failed(user.email, source, "password", now=now)
            raise Unauthenticated("sign_in_failed", "The password is not right.", detail="step-up")
        await self._means.entrance.guard.passed(user.email, source, "password", now=now)
        return "password"

    async def _admit(
        self, user: User, places: list[tuple[WorkspaceId, Role]], arrival: Arrival, now: datetime
    ) -> list[tuple[WorkspaceId, Role]]:
        """Those of the workspaces whose networks allow the address. Forbidden, audited, when none does."""
        try:
            return await self._store.system_read(lambda tx: restrictions.admit(tx, user.id, places, arrival.address))
        except Forbidden:
            await self._note_failure(user, places[0], arrival.address, "network", now)
            raise

    async def _note_failure(
        self, user: User, place: tuple[WorkspaceId, Role], address: str, reason: str, now: datetime
    ) -> None:
        """An audit entry, at most one a minute for each person: guessing must not grow the log without bound."""
        last = self._noted.get(user.id)
        if last is not None and now - last < _NOTE_EVERY:
            return
        if len(self._noted) >= _NOTED:
            self._noted.clear()
        self._noted[user.id] = now
        actor, facts = Actor(place[0], "session", user.id), {"address": address, "reason": reason}
        await self._store.system_write(lambda tx: tx.audit.append(actor, "session.refused", user.id, facts, now=now))

    def _run(self, work: Callable[[], Any]) -> Awaitable[Any]:
        return self._means.threads.run(work)


def methods_of(known: list[Factor]) -> frozenset[str]:
    """What a person may show as second factor; a recovery code always stands in."""
    return frozenset({f.kind.value for f in known} | {"recovery"}) if known else frozenset()


def _wrong() -> MailwardError:
    return Unauthenticated("sign_in_failed", "The address or the password is not right.", detail="sign-in")


async def _person(tx: IdentityTx, email: str) -> tuple[User | None, list[tuple[WorkspaceId, Role]]]:
    user = await tx.people.user_by_email(email)
    return user, [] if user is None else await tx.people.memberships(user.id)


async def _by_id(tx: IdentityTx, id: UserId) -> tuple[User | None, list[tuple[WorkspaceId, Role]]]:
    user = await tx.people.user(id)
    return user, [] if user is None else await tx.people.memberships(user.id)


async def _whose(tx: IdentityTx, digest: bytes, kind: TicketKind, now: datetime) -> tuple[User, Ticket]:
    ticket = await tickets.look(tx, digest, kind, now=now)
    user = None if ticket.user is None else await tx.people.user(ticket.user)
    if user is None or user.disabled is not None:
        raise tickets.gone()
    return user, ticket


def _place(places: list[tuple[WorkspaceId, Role]], workspace: WorkspaceId | None) -> tuple[WorkspaceId, Role] | None:
    for place in places:
        if workspace is None or place[0] == workspace:
            return place
    return None
