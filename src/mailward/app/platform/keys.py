"""The keys area of the platform: API keys and SMTP credentials."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from mailward.app.platform.pages import checked
from mailward.app.store import Store
from mailward.base import ids
from mailward.base.sources import Clock, Entropy
from mailward.core.domains.names import canonical_set
from mailward.core.identity import bursts, credentials, succession
from mailward.core.identity.credentials import Wish
from mailward.core.identity.model import Credential, CredentialKind, Issued
from mailward.edges.web.schema import keys as schema
from mailward.policy.access import Actor, Scope


class Keys:
    """Implements `edges.web.ports.Keys`. `changed` tells this process at once; the epoch tells the others."""

    def __init__(
        self, store: Store, clock: Clock, entropy: Entropy, changed: Callable[[str], object] = lambda id: None
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._changed = changed

    async def create_key(self, actor: Actor, request: schema.CreateKey) -> schema.NewKey:
        """A key with its secret."""
        wish = Wish(
            request.name,
            frozenset(Scope(scope) for scope in request.scopes),
            _domains(request.domains),
            credentials.parse_networks(request.networks),
            request.expires_at,
        )
        now = self._clock.now()
        issued = await self._store.write(
            actor.workspace, lambda tx: credentials.create_key(tx, actor, wish, now=now, entropy=self._entropy)
        )
        secret = issued.secret.reveal() if issued.secret is not None else ""
        return schema.NewKey(**_key(issued.credential), secret=secret)

    async def list_keys(self, actor: Actor, query: schema.KeyQuery) -> schema.KeyPage:
        """Newest first."""
        before = checked(query.cursor, "key")
        found = await self._store.read(
            actor.workspace,
            lambda tx: credentials.list_keys(tx, actor, before=before, limit=query.limit + 1, revoked=query.revoked),
        )
        shown, more = _cut(found, query.limit)
        return schema.KeyPage(data=[schema.Key(**_key(c)) for c in shown], next_cursor=more)

    async def revoke_key(self, actor: Actor, key: str) -> None:
        """From now on it is unknown."""
        await self._revoke(actor, "key", key)

    async def rotate_key(self, actor: Actor, key: str, request: schema.Rotate) -> schema.NewKey:
        """The successor with its secret."""
        issued = await self._rotate(actor, "key", key, request)
        secret = issued.secret.reveal() if issued.secret is not None else ""
        return schema.NewKey(**_key(issued.credential), secret=secret)

    async def release_key(self, actor: Actor, key: str) -> None:
        """It sends again."""
        await self._release(actor, "key", key)

    async def create_credential(self, actor: Actor, request: schema.CreateCredential) -> schema.NewCredential:
        """A credential with its password, or for a network."""
        wish = Wish(
            request.name,
            domains=_domains(request.domains),
            networks=credentials.parse_networks(request.networks),
            expires=request.expires_at,
        )
        create = credentials.create_network if request.kind == "network" else credentials.create_smtp
        now = self._clock.now()
        issued = await self._store.write(
            actor.workspace, lambda tx: create(tx, actor, wish, now=now, entropy=self._entropy)
        )
        password = issued.secret.reveal() if issued.secret is not None else None
        return schema.NewCredential(**_credential(issued.credential), password=password)

    async def list_credentials(self, actor: Actor, query: schema.KeyQuery) -> schema.CredentialPage:
        """Newest first."""
        before = checked(query.cursor, "smtp")
        found = await self._store.read(
            actor.workspace,
            lambda tx: credentials.list_smtp(tx, actor, before=before, limit=query.limit + 1, revoked=query.revoked),
        )
        shown, more = _cut(found, query.limit)
        return schema.CredentialPage(data=[schema.Credential(**_credential(c)) for c in shown], next_cursor=more)

    async def revoke_credential(self, actor: Actor, credential: str) -> None:
        """From now on it is unknown."""
        await self._revoke(actor, "smtp", credential)

    async def rotate_credential(self, actor: Actor, credential: str, request: schema.Rotate) -> schema.NewCredential:
        """The successor with its password."""
        issued = await self._rotate(actor, "smtp", credential, request)
        password = issued.secret.reveal() if issued.secret is not None else None
        return schema.NewCredential(**_credential(issued.credential), password=password)

    async def release_credential(self, actor: Actor, credential: str) -> None:
        """It sends again."""
        await self._release(actor, "smtp", credential)

    async def paused(self, actor: Actor) -> list[schema.Paused]:
        """The newest pause first."""
        found = await self._store.read(actor.workspace, lambda tx: bursts.list_paused(tx, actor))
        return [
            schema.Paused(
                area="keys" if c.kind is CredentialKind.KEY else "credentials",
                id=c.id,
                name=c.name,
                paused_at=c.paused,
                reason=c.pause_reason,
            )
            for c in found
            if c.paused is not None
        ]

    async def _rotate(self, actor: Actor, prefix: str, id: str, request: schema.Rotate) -> Issued:
        ids.decode(prefix, id)
        now, grace = self._clock.now(), timedelta(hours=request.grace_hours)
        issued = await self._store.write(
            actor.workspace,
            lambda tx: succession.rotate(tx, actor, id, grace=grace, now=now, entropy=self._entropy),
        )
        self._changed(id)
        return issued

    async def _release(self, actor: Actor, prefix: str, id: str) -> None:
        ids.decode(prefix, id)
        now = self._clock.now()
        await self._store.write(actor.workspace, lambda tx: bursts.release(tx, actor, id, now=now))
        self._changed(id)

    async def _revoke(self, actor: Actor, prefix: str, id: str) -> None:
        ids.decode(prefix, id)
        now = self._clock.now()
        await self._store.write(actor.workspace, lambda tx: credentials.revoke_key(tx, actor, id, now=now))
        self._changed(id)


def _domains(given: list[str] | None) -> frozenset[str] | None:
    return None if given is None else canonical_set(given)


def _cut(found: list[Credential], limit: int) -> tuple[list[Credential], str | None]:
    shown = found[:limit]
    return shown, shown[-1].id if len(found) > limit else None


def _common(c: Credential) -> dict[str, Any]:
    return {
        "id": c.id,
        "name": c.name,
        "networks": [str(network) for network in c.networks],
        "domains": None if c.domains is None else sorted(c.domains),
        "created_at": c.created,
        "expires_at": c.expires,
        "last_used_at": c.last_used,
        "revoked_at": c.revoked,
        "paused_at": c.paused,
        "pause_reason": c.pause_reason,
        "successor": c.successor,
    }


def _key(c: Credential) -> dict[str, Any]:
    return _common(c) | {"prefix": c.hint, "scopes": sorted(scope.value for scope in c.scopes)}


def _credential(c: Credential) -> dict[str, Any]:
    kind = "network" if c.kind is CredentialKind.NETWORK else "password"
    return _common(c) | {"kind": kind, "username": c.username if kind == "password" else ""}
