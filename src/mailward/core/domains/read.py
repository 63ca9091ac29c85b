"""Look domains up, and the read model for the path of a message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mailward.base import ids
from mailward.base.errors import NotFound
from mailward.core.domains.add import EPOCH
from mailward.core.domains.model import (
    Domain,
    InstallationNames,
    KeyPair,
    SendingDomain,
    SigningKey,
    SigningSnapshot,
)
from mailward.core.domains.names import canonical
from mailward.core.domains.ports import DomainsTx
from mailward.core.domains.records import tracks
from mailward.policy import access
from mailward.policy.access import Actor, Permission


async def list_domains(tx: DomainsTx, actor: Actor, *, before: str | None = None, limit: int = 100) -> list[Domain]:
    """Newest first; `before` is the last id of the page before."""
    access.require(actor, Permission.DOMAIN_READ)
    if before is not None:
        ids.decode("dom", before)
    return await tx.domains.page(before=before, limit=limit)


async def get_domain(tx: DomainsTx, actor: Actor, id: str) -> tuple[Domain, list[KeyPair]]:
    """A domain, by id or by name, with its keys. NotFound otherwise."""
    access.require(actor, Permission.DOMAIN_READ)
    if id.startswith("dom_"):
        ids.decode("dom", id)
        domain = await tx.domains.get(id)
    else:
        domain = await tx.domains.by_name(id) or await tx.domains.by_name(canonical(id))
    if domain is None:
        raise NotFound("not_found", "There is no such domain in this workspace.")
    return domain, await tx.domains.pairs(domain.id)


async def signing_snapshot(tx: DomainsTx, names: InstallationNames) -> SigningSnapshot:
    """Everything that may be sent from and what signs for it. System scope; reload when `domains_epoch` moved."""
    epoch = await tx.counters.value(EPOCH)
    workspaces: dict[bytes, dict[str, SendingDomain]] = {}
    senders = await tx.domains.senders()
    elsewhere = _held_elsewhere((workspace, domain) for workspace, domain, _ in senders)
    for workspace, domain, pairs in senders:
        own = f"{names.return_path_label}.{domain.name}"
        workspaces.setdefault(workspace, {})[domain.name] = SendingDomain(
            id=ids.decode("dom", domain.id),
            name=domain.name,
            state=domain.state,
            subdomains=domain.subdomains,
            return_path=own if domain.own_return_path else names.bounce_host,
            keys=tuple(key for pair in pairs for key in _keys(pair)),
            tracking=f"{names.tracking_label}.{domain.name}" if tracks(domain) else "",
            held_elsewhere=frozenset(elsewhere.get(domain.id, ())),
        )
    return SigningSnapshot(epoch, workspaces)


def _held_elsewhere(senders: Iterable[tuple[bytes, Domain]]) -> Mapping[str, set[str]]:
    """By the id of a domain that counts its sub-domains: the names below it that other workspaces have verified."""
    # A name is verified once, so one look at what is above each of them finds all.
    held = {domain.name: (workspace, domain) for workspace, domain in senders}
    found: dict[str, set[str]] = {}
    for name, (workspace, _) in held.items():
        above = name
        while "." in above:
            above = above.partition(".")[2]
            owner, wide = held.get(above, (workspace, None))
            if wide is not None and wide.subdomains and owner != workspace:
                found.setdefault(wide.id, set()).add(name)
    return found


def _keys(pair: KeyPair) -> tuple[SigningKey, SigningKey]:
    return (
        SigningKey(pair.rsa_selector, "rsa-sha256", pair.rsa_sealed),
        SigningKey(pair.ed25519_selector, "ed25519-sha256", pair.ed25519_sealed),
    )
