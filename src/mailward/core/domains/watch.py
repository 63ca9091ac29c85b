"""Look at DNS for one domain, or for all that are due. DNS and key generation happen between transactions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

from mailward.base.errors import Conflict, NotFound
from mailward.base.ids import WorkspaceId
from mailward.base.sources import Entropy
from mailward.core.domains.inspect import inspect
from mailward.core.domains.keys import FreshKeys
from mailward.core.domains.model import Domain, DomainState, InstallationNames, KeyPair
from mailward.core.domains.ports import Dns, DomainStore, Due, Tell
from mailward.core.domains.read import get_domain
from mailward.core.domains.rotate import rotate
from mailward.core.domains.rotation import rotation_due
from mailward.core.domains.settle import postpone, settle_check
from mailward.policy.access import Actor


async def check_domain(
    store: DomainStore, dns: Dns, actor: Actor, id: str, *, names: InstallationNames, now: datetime, tell: Tell
) -> tuple[Domain, list[KeyPair]]:
    """Look at DNS now and take over what it shows; the domain (by id or name) and its keys afterwards."""
    domain, pairs = await store.read(actor.workspace, lambda tx: get_domain(tx, actor, id))
    if domain.state is DomainState.CAPTURE_ONLY:
        return domain, pairs
    inspection = await dns.drive(inspect(domain, pairs, names), fresh=True)
    await store.write(actor.workspace, lambda tx: settle_check(tx, actor, domain.id, inspection, now=now, tell=tell))
    return await store.read(actor.workspace, lambda tx: get_domain(tx, actor, domain.id))


async def watch(
    store: DomainStore,
    dns: Dns,
    due: Due,
    *,
    acting: Callable[[WorkspaceId], Actor],
    names: InstallationNames,
    fresh: Callable[[WorkspaceId], Awaitable[FreshKeys]],
    now: datetime,
    entropy: Entropy,
    tell: Tell,
) -> int:
    """Check each domain that is due and begin rotations whose time has come; how many were checked.

    A name taken by another workspace, or a domain removed meanwhile, does not stop the others.
    """
    checked = 0
    for workspace, id in due:
        actor = acting(workspace)
        try:
            domain, pairs = await check_domain(store, dns, actor, id, names=names, now=now, tell=tell)
            checked += 1
            if domain.state is DomainState.VERIFIED and rotation_due(pairs, now=now):
                keys = await fresh(workspace)
                await _begin(store, actor, domain.id, keys, now=now, entropy=entropy)
        except Conflict:
            await _postpone(store, actor, id, now=now)
        except NotFound:
            continue
    return checked


async def _postpone(store: DomainStore, actor: Actor, id: str, *, now: datetime) -> None:
    await store.write(actor.workspace, lambda tx: postpone(tx, actor, id, now=now))


async def _begin(
    store: DomainStore, actor: Actor, id: str, keys: FreshKeys, *, now: datetime, entropy: Entropy
) -> None:
    await store.write(actor.workspace, lambda tx: rotate(tx, actor, id, keys, now=now, entropy=entropy))
