"""What people do with a password: set up, sign in, change it. Hashing runs beside the loop, never in a transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from mailward.base.errors import Unauthenticated
from mailward.base.ids import WorkspaceId
from mailward.base.secret import Secret
from mailward.base.sources import Entropy
from mailward.core.identity import passwords
from mailward.core.identity.model import Session, User
from mailward.core.identity.people import change_password, use_setup_link
from mailward.core.identity.ports import IdentityTx, PasswordThreads
from mailward.core.identity.sessions import create_session, session_actor
from mailward.core.workspaces.model import Workspace
from mailward.core.workspaces.system import SystemStore
from mailward.policy.access import Actor, Role

_NOTE_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that began, and the token for the browser's cookie."""

    actor: Actor
    session: Session
    token: Secret[str]


class SignIn:
    """The verbs of people that need a password hashed."""

    def __init__(self, store: SystemStore[IdentityTx], threads: PasswordThreads, entropy: Entropy) -> None:
        self._store = store
        self._threads = threads
        self._entropy = entropy
        self._noted: dict[str, datetime] = {}

    async def set_up(
        self, token: str, *, email: str, name: str, password: str, workspace: str, now: datetime
    ) -> tuple[User, Workspace]:
        """Make the first owner with the setup link. Invalid for a weak password, before the link is used up."""
        passwords.judge(password, about=(email, name, workspace))
        hashed = await self._threads.run(lambda: passwords.hash_password(password, self._entropy))
        return await self._store.system_write(
            lambda tx: use_setup_link(
                tx,
                token,
                email=email,
                name=name,
                password_hash=hashed,
                workspace=workspace,
                now=now,
                entropy=self._entropy,
            )
        )

    async def sign_in(
        self,
        email: str,
        password: str,
        *,
        device: str,
        address: str,
        now: datetime,
        workspace: WorkspaceId | None = None,
    ) -> SignedIn:
        """Begin a session in `workspace`, or the person's first one.

        An unknown address, a wrong password, a disabled person and one without a workspace
        get the same Unauthenticated after the same work.
        """
        user, places = await self._store.system_read(lambda tx: _person(tx, email))
        stored = user.password if user is not None else passwords.NOBODY
        matches = await self._threads.run(lambda: passwords.verify_password(password, stored))
        role = _role(places, workspace)
        if not matches or user is None or user.disabled is not None or role is None:
            if user is not None and places:
                await self._note_failure(user, places[0], address, now)
            raise Unauthenticated("sign_in_failed", "The address or the password is not right.", detail="sign-in")
        rehashed: str | None = None
        if passwords.needs_rehash(stored):
            rehashed = await self._threads.run(lambda: passwords.hash_password(password, self._entropy))
        return await self._store.system_write(lambda tx: self._begin(tx, user, role, rehashed, device, address, now))

    async def _begin(
        self,
        tx: IdentityTx,
        user: User,
        place: tuple[WorkspaceId, Role],
        rehashed: str | None,
        device: str,
        address: str,
        now: datetime,
    ) -> SignedIn:
        if rehashed is not None:
            await tx.people.set_password(user.id, rehashed)
        workspace, role = place
        session, token = await create_session(
            tx, user.id, workspace, role, device=device, address=address, now=now, entropy=self._entropy
        )
        return SignedIn(session_actor(session, role), session, token)

    async def _note_failure(self, user: User, place: tuple[WorkspaceId, Role], address: str, now: datetime) -> None:
        """An audit entry, at most one a minute for each person: guessing must not grow the log without bound."""
        last = self._noted.get(user.id)
        if last is not None and now - last < _NOTE_EVERY:
            return
        self._noted[user.id] = now
        actor = Actor(place[0], "session", user.id)
        await self._store.system_write(
            lambda tx: tx.audit.append(actor, "session.refused", user.id, {"address": address}, now=now)
        )

    async def change_password(self, actor: Actor, session: Session, old: str, new: str, *, now: datetime) -> None:
        """Set another password after proving the old one; every other session ends. Invalid for a weak one."""
        user = await self._store.system_read(lambda tx: tx.people.user(session.user))
        if user is None or actor.id != user.id:
            raise Unauthenticated("unauthenticated", "Please sign in again.")
        passwords.judge(new, about=(user.email, user.name))
        if not await self._threads.run(lambda: passwords.verify_password(old, user.password)):
            raise Unauthenticated("sign_in_failed", "The current password is not right.", detail="change password")
        hashed = await self._threads.run(lambda: passwords.hash_password(new, self._entropy))
        await self._store.system_write(lambda tx: change_password(tx, user, hashed, keep=session.id, now=now))


async def _person(tx: IdentityTx, email: str) -> tuple[User | None, list[tuple[WorkspaceId, Role]]]:
    user = await tx.people.user_by_email(email.strip())
    return user, [] if user is None else await tx.people.memberships(user.id)


def _role(places: list[tuple[WorkspaceId, Role]], workspace: WorkspaceId | None) -> tuple[WorkspaceId, Role] | None:
    for place in places:
        if workspace is None or place[0] == workspace:
            return place
    return None
