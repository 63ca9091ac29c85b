"""From a secret to the actor it proves, before any workspace is known: hence through the unscoped door.

What a worker learned about a credential it keeps until the auth epoch moves. The epoch
is committed with every revocation, each worker reads it several times a second
(`refresh`), and accepting compares it once more inside its transaction (`epoch`), so
nothing is accepted on a key whose revocation was acknowledged.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from mailward.base.errors import Forbidden, Unauthenticated, Unavailable
from mailward.base.ids import UserId, WorkspaceId
from mailward.core.identity import restrictions, tokens
from mailward.core.identity.model import Credential, CredentialKind, Session
from mailward.core.identity.ports import IdentityTx
from mailward.core.identity.roles import permissions_of
from mailward.core.identity.sessions import session_actor
from mailward.core.workspaces.system import SystemStore
from mailward.policy.access import SCOPE_PERMISSIONS, Actor, Role

T = TypeVar("T")

_CACHE = 20_000
_REFUSAL_EVERY = timedelta(minutes=1)
_SEEN_EVERY = timedelta(minutes=1)
_KINDS = {
    CredentialKind.KEY: "key",
    CredentialKind.SMTP: "smtp_credential",
    CredentialKind.NETWORK: "network",
}


class Doorkeeper:
    """Authenticates for one process. Belongs to the event loop."""

    def __init__(self, store: SystemStore[IdentityTx]) -> None:
        self._store = store
        self._known: dict[bytes, tuple[Credential, Actor]] = {}
        self._once_known: set[bytes] = set()
        self._networks: list[tuple[Credential, Actor]] | None = None
        self._networks_epoch = -1
        self._nearest: dict[str, tuple[Credential, Actor]] = {}
        self._uses: dict[str, tuple[WorkspaceId, datetime]] = {}
        self._refusals: dict[tuple[str, str], datetime] = {}
        self._on_change: list[Callable[[], None]] = []
        self.always_two: Callable[[Any, UserId], Awaitable[bool]] = _nobody
        """Who needs a second factor whatever their workspace says: operators."""
        self.epoch = -1
        """The auth epoch that everything this process believes is true for."""

    # -- keeping up ---------------------------------------------------------------------------

    def on_change(self, call: Callable[[], None]) -> None:
        """Have something else forget too (unwrapped data keys, open sessions) when the epoch moves."""
        self._on_change.append(call)

    async def refresh(self) -> bool:
        """Read the epoch; forget everything if it moved (then True).

        Call several times a second, and right after a verb of this process that revokes.
        """
        return self._adopt(await self._store.system_read(_epoch))

    def _adopt(self, epoch: int) -> bool:
        if epoch <= self.epoch:
            return False
        self.epoch = epoch
        if len(self._once_known) + len(self._known) > _CACHE:
            self._once_known.clear()
        self._once_known.update(digest for digest, (found, _) in self._known.items() if found.revoked is None)
        self._known.clear()
        for call in self._on_change:
            call()
        return True

    async def _load(self, read: Callable[[IdentityTx], Awaitable[T]]) -> T:
        """What a read found, true for the current epoch: a read that a revocation overtook is done again."""

        async def with_epoch(tx: IdentityTx) -> tuple[int, T]:
            return await tx.revocations.current(), await read(tx)

        while True:
            epoch, found = await self._store.system_read(with_epoch)
            self._adopt(epoch)
            if epoch >= self.epoch:
                return found

    def knows(self, secret: str) -> bool:
        """Whether a secret is that of a credential seen here before, and not found wrong since.

        Looking it up, which the next change of any credential asks for, is no guess: a program
        that shows an old key must not keep out its neighbours at the same address.
        """
        for prefix in (tokens.API_KEY, tokens.SMTP_PASSWORD):
            digest = tokens.hash_token(secret, prefix)
            if digest is not None and (digest in self._known or digest in self._once_known):
                return True
        return False

    # -- credentials --------------------------------------------------------------------------

    async def authenticate_key(self, token: str, ip: str, *, now: datetime) -> Actor:
        """The actor of an API key.

        Unauthenticated for unknown, revoked and expired alike; Forbidden (and audited)
        when a good key comes from a network it does not list.
        """
        return await self._by_secret(token, tokens.API_KEY, CredentialKind.KEY, None, ip, now)

    async def authenticate_smtp(self, username: str, password: str, ip: str, *, now: datetime) -> Actor:
        """The actor of an SMTP credential; refusals as for keys. Once a connection, not once a message."""
        return await self._by_secret(password, tokens.SMTP_PASSWORD, CredentialKind.SMTP, username, ip, now)

    async def _by_secret(
        self, secret: str, prefix: str, kind: CredentialKind, username: str | None, ip: str, now: datetime
    ) -> Actor:
        digest = tokens.hash_token(secret, prefix)
        if digest is None:
            raise _refused("not a token")
        known = self._known.get(digest)
        if known is None:
            found = await self._load(lambda tx: tx.credentials.by_token(digest))
            self._once_known.discard(digest)
            if found is None or found.kind is not kind:
                raise _refused("unknown")
            known = (found, credential_actor(found))
            if len(self._known) >= _CACHE:
                self._known.clear()
            self._known[digest] = known
        credential, actor = known
        if username is not None and username != credential.id:
            raise _refused("user name and password do not belong together")
        if credential.revoked is not None or (credential.expires is not None and credential.expires <= now):
            self._once_known.discard(digest)
            raise _refused("revoked or expired")
        if credential.networks and not _within(credential, ip):
            await self._refuse_network(credential, actor, ip, now)
        self._uses[credential.id] = (credential.workspace, now)
        return actor

    async def authenticate_network(self, ip: str, *, now: datetime) -> Actor:
        """The actor of the NETWORK credential with the narrowest network around `ip`; Unauthenticated without one."""
        if self._networks is None or self._networks_epoch != self.epoch:
            found = await self._load(lambda tx: tx.credentials.networks())
            self._networks, self._networks_epoch = [(c, credential_actor(c)) for c in found], self.epoch
            self._nearest.clear()
        return self.known_network(ip, now=now)

    def known_network(self, ip: str, *, now: datetime) -> Actor:
        """The same from memory, as of the last `authenticate_network`; Unavailable before the first.

        While credentials change, the list is that of a moment ago: to take "not read again yet" for "nobody" would
        turn every appliance away for good. So whoever opens a session on this answer asks of each message whether
        the credential still stands.
        """
        entries = self._networks
        if entries is None:
            raise Unavailable("starting", "Please try again.", detail="source networks were not read yet")
        # An appliance or relay opens connection after connection: what was found for its address is found again.
        near = self._nearest.get(ip)
        if near is not None and (near[0].expires is None or near[0].expires > now):
            self._uses[near[0].id] = (near[0].workspace, now)
            return near[1]
        address = _address(ip)
        best: tuple[int, Credential, Actor] | None = None
        for credential, actor in entries:
            if credential.expires is not None and credential.expires <= now:
                continue
            for network in credential.networks:
                if address in network and (best is None or network.prefixlen > best[0]):
                    best = (network.prefixlen, credential, actor)
        if best is None:
            raise _refused("no credential for this network")
        self._uses[best[1].id] = (best[1].workspace, now)
        if len(self._nearest) >= _CACHE:
            self._nearest.clear()
        self._nearest[ip] = best[1:]
        return best[2]

    async def _refuse_network(self, credential: Credential, actor: Actor, ip: str, now: datetime) -> None:
        """Forbidden; and an audit entry, at most one a minute for each key and address."""
        await self._note_refusal("credential.refused", credential.id, actor, ip, now)
        raise Forbidden(
            "network_not_allowed", "This credential may not be used from this network.", detail=f"{credential.id}"
        )

    async def _note_refusal(self, act: str, target: str, actor: Actor, ip: str, now: datetime) -> None:
        place = (target, ip)
        last = self._refusals.get(place)
        if last is None or now - last >= _REFUSAL_EVERY:
            if len(self._refusals) >= 1000:
                self._refusals.clear()
            self._refusals[place] = now
            facts = {"address": ip, "reason": "network"}
            await self._store.system_write(lambda tx: tx.audit.append(actor, act, target, facts, now=now))

    async def note_uses(self) -> int:
        """Write down when credentials were last used; call every few seconds. How many."""
        uses = [(id, workspace, when) for id, (workspace, when) in self._uses.items()]
        self._uses.clear()
        if uses:
            await self._store.system_write(lambda tx: tx.credentials.used(uses))
        return len(uses)

    # -- sessions -----------------------------------------------------------------------------

    async def authenticate_session(self, token: str, ip: str | None, *, now: datetime) -> tuple[Actor, Session]:
        """Who is signed in. Read from the store each time, so that a revocation ends it at the next request.

        Unauthenticated when unknown, revoked, idle for 12 hours, older than 14 days, or
        when the person lost their place or access; and, audited at most once a minute, when
        the person or the workspace does not allow the address `ip`. None for `ip` is for an
        act that takes something away, such as signing out, which is possible from anywhere.
        """
        digest = tokens.hash_token(token, tokens.SESSION)
        if digest is None:
            raise _refused("not a token")

        async def find(tx: IdentityTx) -> tuple[Actor, Session, bool] | None:
            session = await tx.people.session_by_token(digest)
            if session is None or not session.alive(now):
                return None
            user = await tx.people.user(session.user)
            member = await tx.people.member(session.workspace, session.user)
            if user is None or user.disabled is not None or member is None:
                return None
            fits = ip is None or await restrictions.allowed(tx, session.user, session.workspace, ip)
            missing = await self._missing(tx, session)
            held = await permissions_of(tx, session.workspace, session.user, member.role)
            actor = replace(session_actor(session, member.role), permissions=held)
            if missing:
                # Until it is made up for, the session is good for that and for nothing else.
                session, actor = replace(session, missing=missing), replace(actor, permissions=frozenset())
            return actor, session, fits

        found = await self._store.system_read(find)
        if found is None:
            raise _refused("no such session")
        actor, session, fits = found
        if not fits:
            await self._note_refusal("session.refused", session.user, actor, ip or "", now)
            raise _refused("session from a network that is not allowed")
        if now - session.last_seen >= _SEEN_EVERY:
            await self._store.system_write(lambda tx: tx.people.seen(session, now))
        return actor, session

    async def _missing(self, tx: IdentityTx, session: Session) -> str:
        """What the session lacks: it may have begun before a second factor was asked for here, or was there."""
        if session.two_factors:
            return ""
        if await tx.factors.of(session.user):
            return "step-up"
        workspace = await tx.workspaces.get(session.workspace)
        asked = workspace is not None and workspace.settings.second_factor
        return "enrol" if asked or await self.always_two(tx, session.user) else ""

    async def admit(
        self, user: UserId, places: Sequence[tuple[WorkspaceId, Role]], ip: str, *, now: datetime
    ) -> list[tuple[WorkspaceId, Role]]:
        """Those of a person's workspaces that they may sign in to from an address, for who has proved who they are.

        Forbidden, audited at most once a minute, when the networks of the person or of all
        their workspaces leave the address out.
        """
        try:
            return await self._store.system_read(lambda tx: restrictions.admit(tx, user, places, ip))
        except Forbidden:
            await self._note_refusal("session.refused", user, Actor(places[0][0], "session", user), ip, now)
            raise


def credential_actor(credential: Credential) -> Actor:
    """Who acts with a credential: the union of its scopes' permissions, in its workspace."""
    permissions = frozenset(p for scope in credential.scopes for p in SCOPE_PERMISSIONS[scope])
    return Actor(credential.workspace, _KINDS[credential.kind], credential.id, permissions, domains=credential.domains)


async def _nobody(tx: IdentityTx, user: UserId) -> bool:
    return False


async def _epoch(tx: IdentityTx) -> int:
    return await tx.revocations.current()


def _within(credential: Credential, ip: str) -> bool:
    address = _address(ip)
    return any(address in network for network in credential.networks)


def _address(ip: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The peer's address; an IPv4 one that arrived on an IPv6 socket counts as IPv4."""
    try:
        address = ipaddress.ip_address(ip.partition("%")[0])
    except ValueError:
        raise _refused("no peer address") from None
    mapped = getattr(address, "ipv4_mapped", None)
    return address if mapped is None else mapped


def _refused(detail: str) -> Unauthenticated:
    return Unauthenticated("unauthenticated", "This credential is not valid.", detail=detail)
