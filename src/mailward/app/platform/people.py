"""People in the dashboard: setting up, signing in and out; and telling a webhook again."""

from __future__ import annotations

from collections.abc import Callable

from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.base.errors import NotFound, Unauthenticated
from mailward.base.ids import SessionId
from mailward.base.secret import Secret
from mailward.base.sources import Clock, Entropy
from mailward.core.identity import sessions
from mailward.core.identity.lookup import Doorkeeper
from mailward.core.identity.ports import PasswordThreads
from mailward.core.identity.sign_in import SignIn
from mailward.core.webhooks import enqueue
from mailward.edges.web.dashboard.ports import Session
from mailward.policy.access import Actor


class People:
    """Implements `edges.web.dashboard.ports.Sessions`."""

    def __init__(
        self, store: SqliteStore, clock: Clock, entropy: Entropy, threads: PasswordThreads, doorkeeper: Doorkeeper
    ) -> None:
        self._store = store
        self._clock = clock
        self._sign_in = SignIn(store, threads, entropy)
        self._doorkeeper = doorkeeper

    async def setup_open(self, token: str) -> None:
        """NotFound once there is an owner. Whether this very link is good is only said when it is used."""
        if await self._store.system_read(lambda tx: tx.people.any_user()):
            raise NotFound("setup_link_invalid", "This setup link does not work any more.")

    async def setup(
        self, token: str, *, email: str, password: str, workspace_name: str, ip: str, user_agent: str
    ) -> Secret[str]:
        """The first owner and workspace; their session's token."""
        try:
            await self._sign_in.set_up(
                token,
                email=email,
                name=email.partition("@")[0] or email,
                password=password,
                workspace=workspace_name,
                now=self._clock.now(),
            )
        except Unauthenticated as e:
            raise NotFound(e.code, e.public, detail=e.detail) from e
        return await self.sign_in(email, password, ip=ip, user_agent=user_agent)

    async def sign_in(self, email: str, password: str, *, ip: str, user_agent: str) -> Secret[str]:
        """A new session's token."""
        begun = await self._sign_in.sign_in(email, password, device=user_agent, address=ip, now=self._clock.now())
        return begun.token

    async def resolve(self, token: str, *, ip: str) -> Session:
        """The session of a cookie, read from the store each time."""
        actor, session = await self._doorkeeper.authenticate_session(token, now=self._clock.now())
        user = await self._store.system_read(lambda tx: tx.people.user(session.user))
        workspace = await self._store.read(session.workspace, lambda tx: tx.workspaces.get(session.workspace))
        email = user.email if user is not None else ""
        return Session(Secret(token), actor, email, workspace.name if workspace is not None else "", session.id)

    async def sign_out(self, session: Session) -> None:
        """End it; from now on its cookie is worth nothing."""
        now = self._clock.now()
        await self._store.system_write(
            lambda tx: sessions.revoke_session(tx, session.actor, SessionId(session.id), now=now)
        )


class Replays:
    """Implements `edges.web.dashboard.ports.Replays`."""

    def __init__(self, store: SqliteStore, clock: Clock, *, wake: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._wake = wake

    async def replay(self, actor: Actor, webhook: str, event: str) -> None:
        """Post an event to an endpoint again."""
        now = self._clock.now()
        await self._store.write(actor.workspace, lambda tx: enqueue.replay(tx, actor, webhook, event, now=now))
        self._wake()
