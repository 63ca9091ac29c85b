"""Signing in with another provider, and the links of a person to identities there."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime
from typing import Protocol

import structlog

from mailward.app.federation import Federation
from mailward.app.letters import Letters
from mailward.app.store import Store, Tx
from mailward.base.errors import Unauthenticated
from mailward.base.ids import UserId
from mailward.base.secret import Secret
from mailward.base.sources import Clock, Entropy
from mailward.core.identity import federation, invitations, restrictions, sessions
from mailward.core.identity.entry import Identity
from mailward.core.identity.model import User
from mailward.edges.web.dashboard.ports import Linked, Outcome, ProviderShown, Session, Signing
from mailward.protocol.federation import proofs
from mailward.protocol.federation.provider import FederationError

log = structlog.get_logger()


class Enter(Protocol):
    """The rest of the way in for a person who proved who they are at a provider: guard, factors, session."""

    def __call__(self, user: User, how: str, *, ip: str, user_agent: str) -> Awaitable[Signing]: ...


class FederatedSignIn:
    """Implements `edges.web.dashboard.ports.Federated`."""

    def __init__(
        self,
        store: Store,
        asked: Federation,
        enter: Enter,
        letters: Letters,
        clock: Clock,
        entropy: Entropy,
        *,
        by_address: Collection[str],
        recent: Callable[[Session, datetime], Awaitable[None]] | None = None,
    ) -> None:
        """`by_address`: providers whose verified addresses may link an account. `recent` raises unless the person
        proved lately who they are: linking opens another way in."""
        self._store = store
        self._asked = asked
        self._enter = enter
        self._letters = letters
        self._clock = clock
        self._entropy = entropy
        self._by_address = by_address
        self._recent = recent

    @property
    def providers(self) -> list[ProviderShown]:
        """For the buttons."""
        return [ProviderShown(p.name, p.label) for p in self._asked.providers]

    async def begin(self, provider: str, session: Session | None = None, *, invitation: str = "") -> tuple[str, str]:
        """Where to go, and what the browser keeps: to accept an invitation, to link when somebody is signed in, else
        to sign in."""
        if session is not None and self._recent is not None:
            await self._recent(session, self._clock.now())
        purpose = proofs.JOIN if invitation else proofs.SIGN_IN if session is None else proofs.LINK
        begun = proofs.begin(
            provider,
            purpose,
            now=self._clock.now().timestamp(),
            entropy=self._entropy.bytes(32),
            bound=_joining(invitation) if invitation else _bound(session),
        )
        try:
            return await self._asked.url(provider, begun), begun.cookie
        except FederationError as e:
            raise _failed(provider, e) from e

    async def finish(
        self,
        provider: str,
        cookie: str,
        *,
        state: str,
        code: str,
        issuer: str,
        session: Session | None,
        invitation: str = "",
        ip: str,
        user_agent: str,
    ) -> Outcome:
        """Who came back: a session, a place by invitation, or a link for whoever is signed in. Unauthenticated when it
        cannot be trusted."""
        now = self._clock.now()
        bound = _joining(invitation) if proofs.purpose_of(cookie) == proofs.JOIN else _bound(session)
        try:
            begun = proofs.come_back(cookie, provider, state, now=now.timestamp(), bound=bound)
            if not code or len(code) > 4096:
                raise FederationError("no code")
            identity = await self._asked.identity(begun, code, issuer)
        except FederationError as e:
            raise _failed(provider, e) from e
        if begun.purpose == proofs.LINK:
            if session is None:
                raise _failed(provider, FederationError("nobody is signed in"))
            actor = session.actor
            await self._store.system_write(lambda tx: federation.link(tx, actor, identity, now=now))
            return Outcome(None, linked=True)
        if begun.purpose == proofs.JOIN:
            return Outcome(await self._join(invitation, identity, ip, user_agent, now), linked=False)
        trusted = provider in self._by_address
        user, linked = await self._store.system_write(
            lambda tx: federation.person_of(tx, identity, by_address=trusted, address=ip, now=now)
        )
        if linked:
            await self._tell(user, identity)
        got = await self._enter(user, provider, ip=ip, user_agent=user_agent)
        return Outcome(got.token, linked=False, ticket=got.ticket)

    async def _join(self, token: str, identity: Identity, ip: str, user_agent: str, now: datetime) -> Secret[str]:
        async def act(tx: Tx) -> Secret[str]:
            user, member, invitation = await invitations.accept_with(
                tx, token, identity, address=ip, now=now, entropy=self._entropy
            )
            await restrictions.admit(tx, user.id, [(invitation.workspace, member.role)], ip)
            _, secret = await sessions.create_session(
                tx, user.id, invitation.workspace, member.role, device=user_agent, address=ip,
                factors=frozenset({identity.provider}), now=now, entropy=self._entropy,
            )  # fmt: skip
            return secret

        return await self._store.system_write(act)

    async def _tell(self, user: User, identity: Identity) -> None:
        label = self._asked.provider(identity.provider).label
        text = (
            f"Your account was linked to an identity at {label}, which says that this address is yours. From now on it "
            "signs you in.\n\nIf this was not you, sign in, open Security, remove the link and change your password.\n"
        )
        await self._letters.send(user.email, "Your account was linked to another way to sign in", text, "link")

    async def links(self, session: Session) -> list[Linked]:
        """The person's own."""
        found = await self._store.system_read(lambda tx: federation.list_links(tx, UserId(session.actor.id)))
        names = {p.name: p.label for p in self._asked.providers}
        return [
            Linked(federation.link_id(k), names.get(k.provider, k.provider), k.email, k.created, k.used) for k in found
        ]

    async def unlink(self, session: Session, link: str) -> None:
        """One of them goes; asks for a recent proof as linking does."""
        now = self._clock.now()
        if self._recent is not None:
            await self._recent(session, now)
        await self._store.system_write(lambda tx: federation.unlink(tx, session.actor, link, now=now))


def _bound(session: Session | None) -> str:
    return "" if session is None else hashlib.sha256(session.token.reveal().encode()).hexdigest()


def _joining(token: str) -> str:
    return hashlib.sha256(f"invitation\n{token}".encode()).hexdigest()


def _failed(provider: str, error: FederationError) -> Unauthenticated:
    log.info("federation_refused", provider=provider[:32], why=str(error))
    return Unauthenticated(
        "federation_failed", "Signing in with this provider did not work. Please try again.", detail=str(error)
    )
