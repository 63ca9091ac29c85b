"""Add and remove domains, and the reserved one of capture mode."""

from __future__ import annotations

from base64 import b32encode
from dataclasses import replace
from datetime import datetime

from mailward.base import ids
from mailward.base.errors import Conflict, NotFound
from mailward.base.sources import Entropy
from mailward.core.domains.keys import FreshKeys, install_keys
from mailward.core.domains.model import CAPTURE_DOMAIN, Domain, DomainState, KeyState
from mailward.core.domains.names import canonical
from mailward.core.domains.ports import DomainsTx
from mailward.policy import access
from mailward.policy.access import Actor, Permission

EPOCH = "domains_epoch"


async def add_domain(
    tx: DomainsTx,
    actor: Actor,
    name: str,
    fresh: FreshKeys,
    *,
    now: datetime,
    entropy: Entropy,
    subdomains: bool = False,
) -> Domain:
    """Add a domain that has to prove itself. Invalid for a name no one can own, Conflict when it is there already."""
    access.require(actor, Permission.DOMAIN_CHANGE)
    domain = _new(canonical(name), DomainState.PENDING, now=now, entropy=entropy)
    domain = replace(domain, subdomains=subdomains)
    if not await tx.domains.insert(domain):
        raise Conflict("domain_exists", f"{domain.name} is already in this workspace.")
    await install_keys(tx, domain.id, domain.name, fresh, now=now, entropy=entropy)
    await tx.audit.append(actor, "domain.added", domain.id, {"name": domain.name}, now=now)
    return domain


def _new(name: str, state: DomainState, *, now: datetime, entropy: Entropy) -> Domain:
    # 160 bits, new for each row: a token seen in one workspace (or before a removal) proves nothing in another.
    token = b32encode(entropy.bytes(20)).decode().lower()
    return Domain(ids.new("dom", now, entropy), name, state, token, created=now, next_check=now)


async def ensure_capture_domain(
    tx: DomainsTx, actor: Actor, fresh: FreshKeys, *, now: datetime, entropy: Entropy
) -> Domain:
    """The workspace's reserved domain, made at the first call: may be sent from at once, and never leaves."""
    access.require(actor, Permission.DOMAIN_CHANGE)
    if there := await tx.domains.by_name(CAPTURE_DOMAIN):
        return there
    domain = _new(CAPTURE_DOMAIN, DomainState.CAPTURE_ONLY, now=now, entropy=entropy)
    domain = replace(domain, verified_at=now, own_return_path=True)
    await tx.domains.insert(domain)
    # No DNS is asked about it, so one selector serves every workspace's reserved domain.
    pair = await install_capture_keys(tx, domain, fresh, now=now, entropy=entropy)
    await tx.audit.append(actor, "domain.added", domain.id, {"name": domain.name, "selector": pair}, now=now)
    await tx.counters.bump(EPOCH)
    return domain


async def install_capture_keys(
    tx: DomainsTx, domain: Domain, fresh: FreshKeys, *, now: datetime, entropy: Entropy
) -> str:
    """Keys that sign without being published."""
    # Selectors are remembered by name across workspaces; this name is shared, so it goes by the domain's id.
    pair = await install_keys(tx, domain.id, f"{domain.id}.{domain.name}", fresh, now=now, entropy=entropy)
    await tx.domains.update_pair(replace(pair, state=KeyState.ACTIVE))
    return pair.stem


async def remove_domain(tx: DomainsTx, actor: Actor, id: str, *, now: datetime) -> None:
    """Remove a domain with its keys: nothing is sent from it after the commit, and another workspace may verify it."""
    access.require(actor, Permission.DOMAIN_CHANGE)
    domain = await tx.domains.get(id)
    if domain is None:
        raise NotFound("not_found", "There is no domain with that id.")
    if domain.state is DomainState.CAPTURE_ONLY:
        raise Conflict("reserved_domain", f"{CAPTURE_DOMAIN} belongs to every workspace and stays.")
    await tx.domains.delete(id)
    await tx.audit.append(actor, "domain.removed", id, {"name": domain.name}, now=now)
    await tx.counters.bump(EPOCH)
