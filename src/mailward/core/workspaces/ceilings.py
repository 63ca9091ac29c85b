"""set_ceilings(): how much one workspace may do in a minute, as the operator says."""

from __future__ import annotations

from datetime import datetime

from mailward.base.errors import Forbidden, Invalid, NotFound
from mailward.base.ids import WorkspaceId
from mailward.core.workspaces.model import Ceilings
from mailward.core.workspaces.ports import CeilingsTx
from mailward.policy.access import Actor

_HIGHEST = 100_000_000


async def set_ceilings(
    tx: CeilingsTx, operator: Actor, workspace: WorkspaceId, ceilings: Ceilings, *, now: datetime
) -> None:
    """Replace a workspace's limits; system scope. In its audit log and the installation's, in force within a second.

    `operator` acts for the installation and so belongs to no workspace; Forbidden otherwise.
    NotFound when there is no such workspace, Invalid for a number that makes no sense.
    """
    if operator.workspace:
        raise Forbidden("forbidden", "Only the installation's operator sets limits.")
    for field, value in (("api", ceilings.api), ("messages", ceilings.messages)):
        if value is not None and not 0 <= value <= _HIGHEST:
            raise Invalid("bad_limit", f"A limit is from 0 (none) to {_HIGHEST} a minute.", field=field)
    if await tx.workspaces.get(workspace) is None:
        raise NotFound("not_found", "There is no such workspace.")
    before = await tx.ceilings.get(workspace)
    await tx.ceilings.put(workspace, ceilings)
    facts = {"api": _said(ceilings.api), "messages": _said(ceilings.messages)}
    facts |= {"api_before": _said(before.api), "messages_before": _said(before.messages)}
    await tx.audit.append(
        Actor(workspace, operator.kind, operator.id, address=operator.address),
        "limits.changed",
        workspace,
        facts,
        now=now,
    )
    await tx.audit.append(operator, "limits.changed", workspace, facts, now=now)
    # What workers know of limits they read with what they know of credentials.
    await tx.revocations.bump()


def _said(value: int | None) -> str:
    return "as the installation" if value is None else "none" if value == 0 else f"{value} a minute"
