"""release_domain(): the operator takes a verified name away, so that its owner can prove it in another workspace.

For when the holder is gone or does not let go: the name sold, the workspace abandoned. The
keys go with it. It gives the name to nobody: whoever claims it must have it checked with the
token of their own workspace in live DNS, as for a name nobody ever had.
"""

from __future__ import annotations

from datetime import datetime

from mailward.base import ids
from mailward.base.errors import Conflict, Forbidden, NotFound
from mailward.base.ids import WorkspaceId
from mailward.core.domains.add import EPOCH
from mailward.core.domains.model import Domain, DomainState
from mailward.core.domains.names import canonical
from mailward.core.domains.ports import DomainsTx
from mailward.policy.access import Actor

_HELD = frozenset((DomainState.VERIFIED, DomainState.FAILING))


async def release_domain(tx: DomainsTx, operator: Actor, holder: WorkspaceId, name: str, *, now: datetime) -> Domain:
    """Remove a domain that a workspace holds; system scope. In the holder's audit log and the installation's at once.

    `operator` acts for the installation and so belongs to no workspace; Forbidden otherwise.
    NotFound when that workspace has no such domain, Conflict when it never verified it.
    """
    if operator.workspace:
        raise Forbidden("forbidden", "Only the installation's operator releases a domain.")
    wanted = canonical(name)
    domain = await tx.domains.held_by(ids.decode("ws", holder), wanted)
    if domain is None:
        raise NotFound("not_found", f"That workspace has no domain {wanted}.")
    if domain.state not in _HELD:
        raise Conflict("not_verified", f"That workspace never verified {wanted}, so it stands in nobody's way.")
    await tx.domains.take_away(ids.decode("ws", holder), domain.id)
    facts = {"name": domain.name, "from": holder, "by": "the installation's operator"}
    in_workspace = Actor(holder, operator.kind, operator.id, address=operator.address)
    await tx.audit.append(in_workspace, "domain.released", domain.id, facts, now=now)
    await tx.audit.append(operator, "domain.released", domain.id, facts, now=now)
    await tx.counters.bump(EPOCH)
    return domain
