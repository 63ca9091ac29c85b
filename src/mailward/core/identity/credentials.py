"""Create, list and revoke API keys and SMTP credentials."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mailward.base import ids
from mailward.base.errors import Forbidden, Invalid, NotFound
from mailward.base.sources import Entropy
from mailward.core.identity import tokens
from mailward.core.identity.model import Credential, CredentialKind, Issued, Network
from mailward.core.identity.ports import IdentityTx
from mailward.core.workspaces.change import good_name
from mailward.policy import access
from mailward.policy.access import SCOPE_PERMISSIONS, Actor, Permission, Scope

_MOST_NETWORKS = 50
_PAGE = 500
LONGEST = timedelta(days=3653)
"""How far ahead an expiry may lie: ten years."""
REHEARSAL = "verify"
"""Who makes credentials that live for seconds, to show that a control holds: lists for people leave them out."""
_SMTP_KINDS = (CredentialKind.SMTP, CredentialKind.NETWORK)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a new credential should be. `domains` None: any of the workspace's; `networks` empty: from anywhere."""

    name: str
    scopes: frozenset[Scope] = frozenset({Scope.SEND})
    domains: frozenset[str] | None = None
    networks: tuple[Network, ...] = ()
    expires: datetime | None = None


async def create_key(tx: IdentityTx, actor: Actor, wish: Wish, *, now: datetime, entropy: Entropy) -> Issued:
    """An API key. Its token is in the answer and nowhere else.

    Nobody hands out more than they hold: Forbidden when a scope reaches beyond the actor's own permissions, and for a
    key that makes one for other domains or networks than its own, or one that outlasts it.
    """
    return await _create(tx, actor, CredentialKind.KEY, wish, now, entropy)


async def create_smtp(tx: IdentityTx, actor: Actor, wish: Wish, *, now: datetime, entropy: Entropy) -> Issued:
    """A user name (the credential's id) and password for SMTP submission; its scope is sending."""
    return await _create(tx, actor, CredentialKind.SMTP, wish, now, entropy)


async def create_network(tx: IdentityTx, actor: Actor, wish: Wish, *, now: datetime, entropy: Entropy) -> Issued:
    """A credential for the private listener whose secret is to come from the listed networks. Invalid without any."""
    if not wish.networks:
        raise Invalid("networks_missing", "A network credential lists the networks it stands for.", field="networks")
    return await _create(tx, actor, CredentialKind.NETWORK, wish, now, entropy)


async def _create(
    tx: IdentityTx, actor: Actor, kind: CredentialKind, wish: Wish, now: datetime, entropy: Entropy
) -> Issued:
    access.require(actor, Permission.KEY_CHANGE)
    _check(actor, kind, wish, now)
    expires = _end(wish.expires, now)
    if actor.kind == "key" and (own := await tx.credentials.get(actor.id)) is not None:
        _check_bounds(own, wish.networks, expires)
    secret = None
    if kind is not CredentialKind.NETWORK:
        prefix = tokens.API_KEY if kind is CredentialKind.KEY else tokens.SMTP_PASSWORD
        secret = tokens.new_token(prefix, entropy)
    credential = Credential(
        id=ids.new("key" if kind is CredentialKind.KEY else "smtp", now, entropy),
        workspace=actor.workspace,
        kind=kind,
        name=good_name(wish.name),
        hint=secret.reveal()[: tokens.HINT] if secret else "",
        scopes=wish.scopes,
        domains=wish.domains,
        networks=wish.networks,
        created=now,
        created_by=actor.id,
        expires=expires,
    )
    await tx.credentials.insert(credential, tokens.hash_token(secret.reveal(), prefix) if secret else None)
    # A new NETWORK credential must reach every worker's list as a revoked one must leave it.
    if kind is CredentialKind.NETWORK:
        await tx.revocations.bump()
    await tx.audit.append(actor, "credential.created", credential.id, _facts(credential), now=now)
    return Issued(credential, secret)


def _check(actor: Actor, kind: CredentialKind, wish: Wish, now: datetime) -> None:
    if not wish.scopes:
        raise Invalid("scopes_missing", "A key needs at least one scope.", field="scopes")
    if kind is not CredentialKind.KEY and wish.scopes != {Scope.SEND}:
        raise Invalid("bad_scope", "SMTP credentials have the scope 'send' only.", field="scopes")
    for scope in wish.scopes:
        if not SCOPE_PERMISSIONS[scope] <= actor.permissions:
            raise Forbidden("forbidden", f"The scope '{scope.value}' reaches further than your own permissions.")
    if actor.domains is not None and (wish.domains is None or not wish.domains <= actor.domains):
        raise Forbidden("forbidden", "The key may not reach further than your own domains.")
    if wish.domains is not None and not wish.domains:
        raise Invalid("domains_missing", "List at least one domain, or leave the restriction out.", field="domains")
    if len(wish.networks) > _MOST_NETWORKS:
        raise Invalid("too_many_networks", f"At most {_MOST_NETWORKS} networks.", field="networks")


def _check_bounds(own: Credential, networks: tuple[Network, ...], expires: datetime | None) -> None:
    """A key that is bound makes none that is not: it may be in the wrong hands, which is what the bounds are for."""
    if own.networks and not (networks and all(any(_inside(n, o) for o in own.networks) for n in networks)):
        raise Forbidden("forbidden", "A key bound to networks makes keys for these only: list them in 'networks'.")
    if own.expires is not None and (expires is None or expires > own.expires):
        end = own.expires.isoformat(timespec="seconds")
        raise Forbidden("forbidden", f"A key that ends makes none that outlasts it: give 'expires_at', {end} at most.")


def _inside(network: Network, other: Network) -> bool:
    if isinstance(network, ipaddress.IPv4Network):
        return isinstance(other, ipaddress.IPv4Network) and network.subnet_of(other)
    return isinstance(other, ipaddress.IPv6Network) and network.subnet_of(other)


def _end(expires: datetime | None, now: datetime) -> datetime | None:
    """The expiry in UTC. Invalid for one that lies in the past or further ahead than LONGEST."""
    if expires is None:
        return None
    try:
        expires = expires.astimezone(UTC)
    except OverflowError:
        # In an offset that leads out of the calendar: its first and its last day are too early and too late anyway.
        expires = expires.replace(tzinfo=UTC)
    if expires <= now:
        raise Invalid("expired_already", "The expiry lies in the past.", field="expires_at")
    if expires > now + LONGEST:
        text = "The expiry may lie ten years ahead at most; leave it out for a credential that does not end."
        raise Invalid("expires_too_far", text, field="expires_at")
    return expires


def _facts(credential: Credential) -> dict[str, str]:
    return {
        "kind": credential.kind.value,
        "name": credential.name,
        "scopes": " ".join(sorted(credential.scopes)),
        "domains": "any" if credential.domains is None else " ".join(sorted(credential.domains)),
        "networks": " ".join(str(n) for n in credential.networks) or "any",
        "expires": "never" if credential.expires is None else credential.expires.isoformat(),
    }


def parse_networks(texts: Iterable[str], *, field: str = "networks") -> tuple[Network, ...]:
    """Networks in CIDR form, or single addresses. Invalid names the first that is neither."""
    found: list[Network] = []
    for i, text in enumerate(texts):
        try:
            network: Network = ipaddress.ip_network(text.strip())
        except ValueError:
            raise Invalid(
                "bad_network", "Write networks as 192.0.2.0/24 or 2001:db8::/32.", field=f"{field}/{i}"
            ) from None
        if isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped is not None:
            raise Invalid("bad_network", "Write IPv4 networks in their own form.", field=f"{field}/{i}")
        found.append(network)
    return tuple(found)


async def list_keys(
    tx: IdentityTx, actor: Actor, *, before: str | None = None, limit: int = 50, revoked: bool = True
) -> list[Credential]:
    """API keys, newest first, revoked ones included unless `revoked` is False; never those of a verification."""
    access.require(actor, Permission.KEY_READ)
    return await tx.credentials.page(
        (CredentialKind.KEY,), before=before, limit=limit, revoked=revoked, without=REHEARSAL
    )


async def list_smtp(
    tx: IdentityTx, actor: Actor, *, before: str | None = None, limit: int = 50, revoked: bool = True
) -> list[Credential]:
    """SMTP and network credentials, likewise."""
    access.require(actor, Permission.KEY_READ)
    return await tx.credentials.page(_SMTP_KINDS, before=before, limit=limit, revoked=revoked, without=REHEARSAL)


async def revoke_key(tx: IdentityTx, actor: Actor, id: str, *, now: datetime) -> Credential:
    """End a credential of any kind. From the commit on nothing is accepted on it; NotFound when there is none.

    Revoking again is quiet: the answer is the same. Nothing is left of the secret's hash.
    """
    access.require(actor, Permission.KEY_CHANGE)
    found = await tx.credentials.get(id)
    if found is None:
        raise NotFound("not_found", "There is no such key.")
    if await tx.credentials.revoke(id, now):
        await tx.revocations.bump()
        facts = {"kind": found.kind.value, "name": found.name}
        await tx.audit.append(actor, "credential.revoked", id, facts, now=now)
    return found


async def revoke_all(tx: IdentityTx, actor: Actor, *, before: datetime | None = None, now: datetime) -> int:
    """End every credential of the actor's workspace, or every one that was made before a time: how many."""
    access.require(actor, Permission.KEY_CHANGE)
    below, revoked = None, 0
    # By their ids: what else a row holds may be unreadable, and must not save it or any other.
    while page := await tx.credentials.live(before=below, limit=_PAGE):
        for id, kind, created in page:
            if (before is None or created < before) and await tx.credentials.revoke(id, now):
                await tx.audit.append(actor, "credential.revoked", id, {"kind": kind, "all": "true"}, now=now)
                revoked += 1
        below = page[-1][0]
    if revoked:
        await tx.revocations.bump()
    return revoked
