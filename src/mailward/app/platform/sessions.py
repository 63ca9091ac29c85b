"""People signing in to the dashboard with a password. The order of things is that of `core.identity.sign_in`."""

from __future__ import annotations

from mailward.app.entitled import ASKER, Asker
from mailward.app.platform.signing import Signing
from mailward.app.store import Tx
from mailward.base.errors import NotFound
from mailward.base.ids import WorkspaceId
from mailward.base.secret import Secret
from mailward.core.identity import passwords, people, sessions, tokens
from mailward.core.identity.known import KnownSessions
from mailward.core.identity.model import Session as Held
from mailward.core.identity.model import User
from mailward.core.identity.sign_in import FactorMissing, SignedIn
from mailward.edges.web.dashboard import ports
from mailward.edges.web.dashboard.ports import Place, Session
from mailward.policy.access import Actor, Role


class Sessions:
    """Implements `edges.web.dashboard.ports.Sessions`."""

    def __init__(self, signing: Signing) -> None:
        self._signing = signing
        self._store = signing.store
        self._keeper = signing.keeper
        self._clock = signing.clock
        self._entropy = signing.entropy
        self._threads = signing.threads
        self._known: KnownSessions[Session] = KnownSessions(signing.keeper)

    async def setup_open(self, token: str) -> None:
        """Nothing while the link can be used, else NotFound."""
        digest = tokens.hash_token(token, tokens.SETUP_LINK)
        now = self._clock.now()

        async def look(tx: Tx) -> bool:
            return digest is not None and await tx.people.setup_link_open(digest, now)

        if not await self._store.system_read(look):
            raise NotFound(
                "not_found", "This setup link does not work (any more). Run `mailward setup-link` for a new one."
            )

    async def setup(
        self, token: str, *, email: str, password: str, workspace_name: str, ip: str, user_agent: str
    ) -> Secret[str]:
        """The owner, the first workspace, and a session in it."""
        await self.setup_open(token)
        good = people.good_email(email)
        await self._threads.run(lambda: passwords.judge(password, about=(good, workspace_name)))
        hashed = await self._threads.run(lambda: passwords.hash_password(password, self._entropy))
        now = self._clock.now()

        arrival = self._signing.arrival(ip, user_agent)

        async def act(tx: Tx) -> Secret[str]:
            there = await tx.workspaces.all()
            user, workspace = await people.use_setup_link(
                tx, token, email=good, name=good.partition("@")[0], password_hash=hashed,
                workspace=workspace_name, into=there[0].id if there else None, address=ip, now=now,
                entropy=self._entropy,
            )  # fmt: skip
            place: tuple[WorkspaceId, Role] = (workspace.id, Role.MANAGER)
            signed = await self._signing.pipeline.begin(tx, user.id, place, {"how": "password"}, arrival, now=now)
            return signed.token

        return await self._store.system_write(act)

    async def sign_in(
        self, email: str, password: str, *, ip: str, user_agent: str, device: str = "", proof: str = ""
    ) -> ports.Signing:
        """A session or a ticket; Unauthenticated in equal time for an unknown address and a wrong password."""
        arrival = self._signing.arrival(ip, user_agent, device)
        progress = await self._signing.pipeline.by_password(
            email, password, arrival, proof=proof, now=self._clock.now()
        )
        return shown(progress)

    async def enter(self, user: User, how: str, *, ip: str, user_agent: str) -> ports.Signing:
        """The rest of the way in for a person who proved who they are elsewhere."""
        arrival = self._signing.arrival(ip, user_agent)
        return shown(await self._signing.pipeline.proved(user, how, arrival, now=self._clock.now()))

    async def resolve(self, token: str, *, ip: str) -> Session:
        """Who is signed in; Unauthenticated otherwise. From memory, but for a minute's first time."""
        now, epoch = self._clock.now(), self._keeper.epoch
        session = await self._known.resolve(token, ip, lambda: self._read(token, ip), now=now)

        async def again() -> tuple[Actor, int]:
            await self._keeper.refresh()
            current = self._keeper.epoch
            return (await self._keeper.authenticate_session(token, ip, now=self._clock.now()))[0], current

        ASKER.set(Asker(session.actor, epoch, again))
        return session

    async def _read(self, token: str, ip: str) -> tuple[Held, Session]:
        actor, held = await self._keeper.authenticate_session(token, ip, now=self._clock.now())

        async def look(tx: Tx) -> tuple[str, list[Place], bool]:
            user = await tx.people.user(held.user)
            found = [await tx.workspaces.get(id) for id, _ in await tx.people.memberships(held.user)]
            runs = await tx.operators.get(held.user)
            places = [Place(w.id, w.name) for w in found if w is not None]
            return user.email if user else "", places, runs is not None and runs.serving

        email, places, operator = await self._store.system_read(look)
        name = next((p.name for p in places if p.id == held.workspace), "")
        actor = actor.came_from(ip)
        return held, Session(Secret(token), actor, email, name, tuple(places), held.id, held.missing, operator)

    async def sign_out(self, session: Session) -> None:
        """End it."""
        token = session.token.reveal()
        _, held = await self._keeper.authenticate_session(token, None, now=self._clock.now())
        await self._store.write(
            held.workspace, lambda tx: sessions.revoke_session(tx, session.actor, held.id, now=self._clock.now())
        )
        self._known.forget(token)


def shown(progress: SignedIn | FactorMissing) -> ports.Signing:
    """How far a sign-in got, as pages see it."""
    if isinstance(progress, SignedIn):
        return ports.Signing(progress.token)
    return ports.Signing(None, progress.ticket)
