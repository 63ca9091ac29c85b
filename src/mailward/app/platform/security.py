"""A person's own sessions, factors and address."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar

from msgspec.structs import replace

from mailward.app.letters import texts
from mailward.app.platform.proofs import send_code
from mailward.app.platform.signing import Signing
from mailward.app.store import Tx
from mailward.base.errors import Invalid, Unauthenticated
from mailward.base.ids import SessionId
from mailward.base.secret import Secret
from mailward.core.identity import factors, passwords, resets, sessions, totp
from mailward.core.identity.model import Factor, User
from mailward.core.identity.model import Session as Held
from mailward.core.identity.sign_in import methods_of
from mailward.core.workspaces import change as workspaces
from mailward.edges.web.dashboard import ports
from mailward.edges.web.dashboard.ports import Came, Session

T = TypeVar("T")

_SIGN_INS = 20


class Security:
    """Implements `edges.web.dashboard.ports.Security`. Each act looks the session up anew."""

    def __init__(self, signing: Signing) -> None:
        self._s = signing

    async def _write(self, act: Callable[[Tx], Awaitable[T]]) -> T:
        """A change that may take access away."""
        done = await self._s.store.system_write(act)
        self._s.changed()
        return done

    async def own(self, session: Session) -> ports.Own:
        """Everything on one page."""
        held, now = await self._s.held(session), self._s.clock.now()

        async def look(tx: Tx) -> ports.Own:
            user = await _user(tx, held)
            places = [await tx.workspaces.get(id) for id, _ in await tx.people.memberships(user.id)]
            names = {w.id: w.name for w in places if w is not None}
            mine = [s for s in await tx.people.sessions(user.id) if s.alive(now)]
            return ports.Own(
                [
                    ports.ShownSession(
                        s.id, s.device, s.address, s.place or s.network, names.get(s.workspace, ""),
                        ", ".join(sorted(s.factors)), s.created, s.last_seen, s.id == held.id,
                    )
                    for s in mine
                ],
                [
                    ports.ShownFactor(f.id, f.kind.value, f.name, f.created, f.used)
                    for f in await tx.factors.of(user.id)
                ],
                [
                    ports.ShownDevice(d.id, d.device, d.address, d.used, d.expires)
                    for d in await tx.factors.devices(user.id)
                    if d.expires > now
                ],
                [
                    ports.ShownSignIn(s.at, s.device, s.address, s.place or s.network, " ".join(s.reasons))
                    for s in await tx.guard.sign_ins(user.id, _SIGN_INS)
                ],
                await tx.factors.recovery_codes(user.id),
                _recent(held, now),
                user.password != passwords.NOBODY,
            )  # fmt: skip

        return await self._s.store.system_read(look)

    async def require_recent(self, session: Session) -> None:
        """StepUpRequired unless the person proved themselves lately."""
        sessions.require_recent(await self._s.held(session), self._s.clock.now())

    # -- sessions and devices ----------------------------------------------------------------------

    async def end(self, session: Session, id: str) -> None:
        """One session, in whatever workspace it is."""
        now = self._s.clock.now()
        await self._write(lambda tx: sessions.revoke_session(tx, session.actor, SessionId(id), now=now))

    async def end_others(self, session: Session) -> int:
        """All but this one, in every workspace."""
        held, now = await self._s.held(session), self._s.clock.now()
        return await self._write(lambda tx: sessions.revoke_all_sessions(tx, session.actor, keep=held.id, now=now))

    async def distrust(self, session: Session, id: str) -> None:
        """Ask for a factor on that device again."""
        held, now = await self._s.held(session), self._s.clock.now()
        await self._write(lambda tx: factors.distrust(tx, held, id, now=now))

    # -- factors -----------------------------------------------------------------------------------

    async def begin_totp(self, session: Session) -> tuple[str, bytes]:
        """What to type, and what to scan."""
        import segno

        s, held, now = self._s, await self._s.held(session), self._s.clock.now()
        secret = await self._write(lambda tx: factors.begin_totp(tx, held, s.sealer, now=now, entropy=s.entropy))
        out = io.BytesIO()
        # Dark on light whatever the page's colours: cameras want it so.
        segno.make(totp.uri(secret, session.email, "Mailward"), error="m").save(
            out, kind="svg", scale=4, border=4, light="white", xmldecl=False
        )
        return totp.shown(secret), out.getvalue()

    async def add_totp(self, session: Session, code: str, name: str) -> tuple[Secret[str], list[str]]:
        """The app shows the right code."""
        s, held, now = self._s, await self._s.held(session), self._s.clock.now()
        await s.entrance.guard.before(session.email, held.address, "factor", now=now)

        async def act(tx: Tx) -> tuple[Secret[str], list[str]]:
            codes = await factors.add_totp(tx, held, code, s.sealer, name=name, now=now, entropy=s.entropy)
            return await self._renew(tx, held, "totp"), codes

        return await self._added(session, "An authenticator app was added", await self._write(act))

    async def new_passkey(self, session: Session) -> dict[str, Any]:
        """Options for the browser."""
        s, held, now = self._s, await self._s.held(session), self._s.clock.now()

        async def ask(tx: Tx) -> dict[str, Any]:
            user = await _user(tx, held)
            return await factors.begin_passkey(tx, held, user, s.site, now=now, entropy=s.entropy)

        return await self._write(ask)

    async def add_passkey(self, session: Session, answer: str, name: str) -> tuple[Secret[str], list[str]]:
        """What the browser made."""
        s, held, now = self._s, await self._s.held(session), self._s.clock.now()

        async def act(tx: Tx) -> tuple[Secret[str], list[str]]:
            codes = await factors.add_passkey(tx, held, answer, s.site, name=name, now=now, entropy=s.entropy)
            return await self._renew(tx, held, "passkey"), codes

        return await self._added(session, "A passkey was added", await self._write(act))

    async def mail_first_code(self, session: Session, came: Came) -> None:
        """A code that proves that letters arrive."""
        held = await self._s.held(session)
        await self._mail(session, held, b"new" + held.id.encode(), came)

    async def add_mail(self, session: Session, code: str) -> tuple[Secret[str], list[str]]:
        """Codes by mail from now on."""
        s, held, now = self._s, await self._s.held(session), self._s.clock.now()
        await s.entrance.guard.before(session.email, held.address, "factor", now=now)

        async def act(tx: Tx) -> tuple[Secret[str], list[str]] | None:
            # A wrong code is counted in the same transaction: it must not be rolled back with the refusal.
            try:
                codes = await factors.add_mail(tx, held, code, now=now, entropy=s.entropy)
            except Invalid:
                return None
            return await self._renew(tx, held, "email"), codes

        done = await self._write(act)
        if done is None:
            raise Invalid("code_wrong", "This is not the code that was mailed, or it is too old.", field="code")
        return await self._added(session, "Codes by email were turned on", done)

    async def remove(self, session: Session, id: str) -> None:
        """Take one away; its owner is told."""
        held, now = await self._s.held(session), self._s.clock.now()
        await self._write(lambda tx: factors.remove(tx, held, id, now=now))
        await self._tell(session.email, "A second factor was removed")

    async def recovery_codes(self, session: Session) -> list[str]:
        """Ten new ones."""
        s, held, now = self._s, await self._s.held(session), self._s.clock.now()
        return await self._write(lambda tx: factors.new_recovery_codes(tx, held, now=now, entropy=s.entropy))

    async def _renew(self, tx: Tx, held: Held, factor: str) -> Secret[str]:
        _, token = await sessions.step_up(tx, held, factor, now=self._s.clock.now(), entropy=self._s.entropy)
        return token

    async def _added(
        self, session: Session, what: str, done: tuple[Secret[str], list[str]]
    ) -> tuple[Secret[str], list[str]]:
        await self._tell(session.email, what)
        return done

    async def _tell(self, email: str, what: str) -> None:
        subject, text = texts.factor_changed(what, f"{self._s.url}/security")
        await self._s.letters.send(email, subject, text, "factor-changed")

    # -- proving oneself again ---------------------------------------------------------------------

    async def methods(self, session: Session) -> list[str]:
        """Factors, or the password where there is none; nothing for who comes in with a provider alone."""
        held = await self._s.held(session)
        known: list[Factor] = await self._s.store.system_read(lambda tx: tx.factors.of(held.user))
        if known:
            return sorted(methods_of(known))
        user = await self._s.store.system_read(lambda tx: tx.people.user(held.user))
        return [] if user is None or user.password == passwords.NOBODY else ["password"]

    async def passkey_again(self, session: Session) -> dict[str, Any]:
        """Options to show one with."""
        s, held, now = self._s, await self._s.held(session), self._s.clock.now()
        return await self._write(
            lambda tx: factors.ask_for_passkey(
                tx, held.user, s.site, context=held.id.encode(), now=now, entropy=s.entropy
            )
        )

    async def mail_again(self, session: Session, came: Came) -> None:
        """A code for this session."""
        held = await self._s.held(session)
        if "email" not in await self.methods(session):
            raise Invalid("not_by_mail", "This account does not use codes by email.")
        await self._mail(session, held, held.id.encode(), came)

    async def step_up(self, session: Session, came: Came, *, password: str, code: str, passkey: str) -> Secret[str]:
        """The same session, fresh."""
        s, held, now = self._s, await self._s.held(session), self._s.clock.now()
        user = await s.store.system_read(lambda tx: _user(tx, held))
        if await self.methods(session) == ["password"]:
            shown = await s.pipeline.again(user, password, came.ip, now=now)
        else:
            shown = await s.pipeline.show(user, came.ip, held.id.encode(), code=code, passkey=passkey, now=now)
        return await self._write(lambda tx: self._renew(tx, held, shown))

    async def _mail(self, session: Session, held: Held, context: bytes, came: Came) -> None:
        s, now = self._s, self._s.clock.now()
        digits = await self._write(
            lambda tx: factors.new_mail_code(tx, held.user, context=context, now=now, entropy=s.entropy)
        )
        await send_code(s, session.email, digits, came.ip)

    # -- password, address, workspace ----------------------------------------------------------------

    async def change_password(self, session: Session, old: str, new: str) -> None:
        """Another password; who has a factor proved it lately."""
        held = await self._s.held(session)
        if await self.methods(session) != ["password"]:
            sessions.require_recent(held, self._s.clock.now())
        await self._s.pipeline.change_password(session.actor, held, old, new, now=self._s.clock.now())
        subject, text = texts.password_changed(f"{self._s.url}/forgot")
        await self._s.letters.send(session.email, subject, text, "password-changed")

    async def change_address(self, session: Session, email: str) -> None:
        """Letters to both."""
        s, held, now = self._s, await self._s.held(session), self._s.clock.now()

        async def ask(tx: Tx) -> tuple[str, Secret[str], Secret[str]]:
            return await resets.ask_address(tx, held, await _user(tx, held), email, now=now, entropy=s.entropy)

        wanted, old, new = await self._write(ask)
        subject, text = texts.old_address(wanted, f"{s.url}/address/{old.reveal()}")
        await s.letters.send(session.email, subject, text, "address-change")
        subject, text = texts.new_address(f"{s.url}/address/{new.reveal()}")
        await s.letters.send(wanted, subject, text, "address-change")

    async def required_of_all(self, session: Session) -> bool:
        """As the workspace says."""
        workspace = session.actor.workspace
        found = await self._s.store.read(workspace, lambda tx: tx.workspaces.get(workspace))
        return found is not None and found.settings.second_factor

    async def require_of_all(self, session: Session, on: bool) -> None:
        """Say it; whoever has none is led to add one at their next request."""
        held, now = await self._s.held(session), self._s.clock.now()
        sessions.require_recent(held, now)

        async def act(tx: Tx) -> None:
            await tx.audit.in_turn(session.actor.workspace)
            found = await workspaces.show(tx, session.actor)
            settings = replace(found.settings, second_factor=on)
            await workspaces.change_settings(tx, session.actor, settings, now=now)
            facts = {"required": "yes" if on else "no"}
            await tx.audit.append(session.actor, "workspace.second_factor", found.id, facts, now=now)
            await tx.revocations.bump()

        await self._s.store.write(session.actor.workspace, act)
        self._s.changed()


def _recent(held: Held, now: datetime) -> bool:
    return held.stepped_up is not None and now - held.stepped_up < sessions.RECENT


async def _user(tx: Tx, held: Held) -> User:
    user = await tx.people.user(held.user)
    if user is None:
        raise Unauthenticated("unauthenticated", "Please sign in again.")
    return user
