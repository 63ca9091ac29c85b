"""Coming in by invitation, going from workspace to workspace, leaving, and a person's own networks."""

from __future__ import annotations

from collections.abc import Callable

from mailward.adapters.host.hashing import HashingThreads
from mailward.app.store import Store, Tx
from mailward.base.ids import UserId, WorkspaceId
from mailward.base.secret import Secret
from mailward.base.sources import Clock, Entropy
from mailward.core.identity import invitations, passwords, people, restrictions, sessions
from mailward.core.identity.lookup import Doorkeeper
from mailward.edges.web.dashboard.ports import Invited, Session


class Joining:
    """Implements `edges.web.dashboard.ports.Joining`."""

    def __init__(
        self, store: Store, keeper: Doorkeeper, clock: Clock, entropy: Entropy, *, changed: Callable[[], None]
    ) -> None:
        self._store = store
        self._keeper = keeper
        self._clock = clock
        self._entropy = entropy
        self._changed = changed
        self._threads = HashingThreads()

    async def look(self, token: str) -> Invited:
        """What a link invites to; NotFound when it does not work."""
        now = self._clock.now()
        offer = await self._store.system_read(lambda tx: invitations.look(tx, token, now=now))
        role = offer.own_role.name if offer.own_role is not None else offer.invitation.role.value
        return Invited(offer.invitation.email, offer.workspace, role, offer.account is not None)

    async def accept_as_new(self, token: str, *, name: str, password: str, ip: str, user_agent: str) -> Secret[str]:
        """A person, their place and a session in it."""
        invited = await self.look(token)
        await self._threads.run(lambda: passwords.judge(password, about=(invited.email, name, invited.workspace)))
        hashed = await self._threads.run(lambda: passwords.hash_password(password, self._entropy))
        now = self._clock.now()

        async def act(tx: Tx) -> Secret[str]:
            user, member, invitation = await invitations.accept_as_new(
                tx, token, name=name, password_hash=hashed, address=ip, now=now, entropy=self._entropy
            )
            # Opening the mailed link is how they proved the address; the workspace's networks bind them as any other.
            await restrictions.admit(tx, user.id, [(invitation.workspace, member.role)], ip)
            _, secret = await sessions.create_session(
                tx, user.id, invitation.workspace, member.role,
                device=user_agent, address=ip, now=now, entropy=self._entropy,
            )  # fmt: skip
            return secret

        return await self._store.system_write(act)

    async def accept_as(self, token: str, session: Session, *, ip: str) -> Secret[str]:
        """A place for who is signed in, and their session in it."""
        now = self._clock.now()
        _, held = await self._keeper.authenticate_session(session.token.reveal(), ip, now=now)

        async def act(tx: Tx) -> Secret[str]:
            _, invitation = await invitations.accept_as(tx, token, held.user, address=ip, now=now)
            _, secret = await sessions.switch_workspace(
                tx, held, invitation.workspace, address=ip, now=now, entropy=self._entropy
            )
            return secret

        return await self._store.system_write(act)

    async def switch(self, session: Session, workspace: str, *, ip: str) -> Secret[str]:
        """The session, in another workspace, under another token."""
        now = self._clock.now()
        _, held = await self._keeper.authenticate_session(session.token.reveal(), ip, now=now)

        async def act(tx: Tx) -> Secret[str]:
            _, secret = await sessions.switch_workspace(
                tx, held, WorkspaceId(workspace), address=ip, now=now, entropy=self._entropy
            )
            return secret

        return await self._store.system_write(act)

    async def found(self, session: Session, name: str, *, ip: str) -> Secret[str]:
        """A new workspace, and the session in it."""
        now = self._clock.now()
        _, held = await self._keeper.authenticate_session(session.token.reveal(), ip, now=now)

        async def act(tx: Tx) -> Secret[str]:
            made = await people.found_another(tx, session.actor, name, now=now, entropy=self._entropy)
            _, secret = await sessions.switch_workspace(tx, held, made.id, address=ip, now=now, entropy=self._entropy)
            return secret

        return await self._store.system_write(act)

    async def leave(self, session: Session) -> None:
        """The place, the sessions here, and what the person made go."""
        now = self._clock.now()
        await self._store.write(session.actor.workspace, lambda tx: people.leave(tx, session.actor, now=now))
        self._changed()

    async def own_networks(self, session: Session) -> list[str]:
        """Where the person themselves may come from."""
        user = UserId(session.actor.id)
        return [str(n) for n in await self._store.system_read(lambda tx: tx.entry.networks(user))]

    async def change_own_networks(self, session: Session, networks: list[str], *, ip: str, confirmed: bool) -> None:
        """In every workspace; Conflict when that locks them out and they did not say that they mean it."""
        now = self._clock.now()
        await self._store.system_write(
            lambda tx: restrictions.restrict_person(tx, session.actor, networks, own=ip, confirmed=confirmed, now=now)
        )
        self._changed()
