"""Begin a rotation: new keys are shown to the owner; they sign once DNS shows them."""

from __future__ import annotations

from datetime import datetime

from mailward.base.errors import Conflict, NotFound
from mailward.base.sources import Entropy
from mailward.core.domains.keys import FreshKeys, install_keys
from mailward.core.domains.model import DomainState, KeyPair
from mailward.core.domains.ports import DomainsTx
from mailward.core.domains.rotation import WAITING
from mailward.policy import access
from mailward.policy.access import Actor, Permission


async def rotate(tx: DomainsTx, actor: Actor, id: str, fresh: FreshKeys, *, now: datetime, entropy: Entropy) -> KeyPair:
    """Add the next pair of keys. Conflict while an earlier rotation waits for DNS, or for the reserved domain."""
    access.require(actor, Permission.DOMAIN_CHANGE)
    await tx.audit.in_turn(actor.workspace)  # two who ask at once get one rotation
    domain = await tx.domains.get(id)
    if domain is None:
        raise NotFound("not_found", "There is no domain with that id.")
    if domain.state is DomainState.CAPTURE_ONLY:
        raise Conflict("reserved_domain", "The reserved domain of capture mode has no published keys to rotate.")
    if any(p.state in WAITING for p in await tx.domains.pairs(id)):
        raise Conflict(
            "rotation_in_progress", "New keys are waiting to be published; publish their records and check the domain."
        )
    pair = await install_keys(tx, id, domain.name, fresh, now=now, entropy=entropy)
    await tx.audit.append(actor, "domain.rotation_began", id, {"name": domain.name, "selector": pair.stem}, now=now)
    return pair
