"""People signing in to the dashboard."""

from __future__ import annotations

from typing import Any

from mailward.adapters.host.hashing import HashingThreads
from mailward.app.guesses import Guesses
from mailward.app.store import Store, Tx
from mailward.base.errors import NotFound, Unauthenticated
from mailward.base.secret import Secret
from mailward.base.sources import Clock, Entropy
from mailward.core.identity import passwords, people, sessions, tokens
from mailward.core.identity.known import KnownSessions
from mailward.core.identity.lookup import Doorkeeper
from mailward.core.identity.model import Session as Held
from mailward.edges.web.dashboard.ports import Place, Session
from mailward.policy.access import Role
from mailward.policy.gcra import Rate


class Sessions:
    """Implements `edges.web.dashboard.ports.Sessions`."""

    def __init__(self, store: Store, keeper: Doorkeeper, clock: Clock, entropy: Entropy, *, failures: Rate) -> None:
        self._store = store
        self._keeper = keeper
        self._clock = clock
        self._entropy = entropy
        self._threads = HashingThreads()
        self._known: KnownSessions[Session] = KnownSessions(keeper)
        self._guesses = Guesses(failures, clock.monotonic)

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

        async def act(tx: Tx) -> Secret[str]:
            there = await tx.workspaces.all()
            user, workspace = await people.use_setup_link(
                tx, token, email=good, name=good.partition("@")[0], password_hash=hashed,
                workspace=workspace_name, into=there[0].id if there else None, now=now, entropy=self._entropy,
            )  # fmt: skip
            _, secret = await sessions.create_session(
                tx, user.id, workspace.id, Role.MANAGER, device=user_agent, address=ip, now=now, entropy=self._entropy
            )
            return secret

        return await self._store.system_write(act)

    async def sign_in(self, email: str, password: str, *, ip: str, user_agent: str) -> Secret[str]:
        """A session, or Unauthenticated in equal time for an unknown address and a wrong password."""
        self._guesses.take(email, ip)
        found = await self._store.system_read(lambda tx: tx.people.user_by_email(email.strip()))
        stored = found.password if found is not None else passwords.NOBODY
        good = await self._threads.run(lambda: passwords.verify_password(password, stored))
        now = self._clock.now()
        places: list[Any] = []
        if found is not None and good and found.disabled is None:
            user = found
            places = await self._store.system_read(lambda tx: tx.people.memberships(user.id))
        if found is None or not places:
            raise Unauthenticated("unauthenticated", "This address and password do not belong together.")
        self._guesses.right(email, ip)
        person = found
        places = await self._keeper.admit(person.id, places, ip, now=now)
        workspace, role = places[0]
        fresh = None
        if passwords.needs_rehash(person.password):
            fresh = await self._threads.run(lambda: passwords.hash_password(password, self._entropy))

        async def act(tx: Tx) -> Secret[str]:
            if fresh is not None:
                await tx.people.set_password(person.id, fresh)
            _, secret = await sessions.create_session(
                tx, person.id, workspace, role, device=user_agent, address=ip, now=now, entropy=self._entropy
            )
            return secret

        return await self._store.system_write(act)

    async def resolve(self, token: str, *, ip: str) -> Session:
        """Who is signed in; Unauthenticated otherwise. From memory, but for a minute's first time."""
        now = self._clock.now()
        return await self._known.resolve(token, ip, lambda: self._read(token, ip), now=now)

    async def _read(self, token: str, ip: str) -> tuple[Held, Session]:
        actor, held = await self._keeper.authenticate_session(token, ip, now=self._clock.now())

        async def look(tx: Tx) -> tuple[str, list[Place]]:
            user = await tx.people.user(held.user)
            found = [await tx.workspaces.get(id) for id, _ in await tx.people.memberships(held.user)]
            return (user.email if user else "", [Place(w.id, w.name) for w in found if w is not None])

        email, places = await self._store.system_read(look)
        name = next((p.name for p in places if p.id == held.workspace), "")
        return held, Session(Secret(token), actor, email, name, places=tuple(places))

    async def sign_out(self, session: Session) -> None:
        """End it."""
        token = session.token.reveal()
        _, held = await self._keeper.authenticate_session(token, None, now=self._clock.now())
        await self._store.write(
            held.workspace, lambda tx: sessions.revoke_session(tx, session.actor, held.id, now=self._clock.now())
        )
        self._known.forget(token)
