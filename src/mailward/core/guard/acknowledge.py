"""Note that somebody has seen an alert: who, when, in the audit log of whom it concerns.

It changes nothing else: the alert stays until its time is over, and the same attack is told again when it goes on.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from mailward.base.errors import NotFound
from mailward.base.ids import WorkspaceId
from mailward.core.guard.model import Alert
from mailward.core.guard.ports import GuardTx
from mailward.policy import access
from mailward.policy.access import Actor, Permission

_NOWHERE = WorkspaceId("")


async def acknowledge(tx: GuardTx, actor: Actor, id: str, *, now: datetime) -> Alert:
    """Note it on an alert of the actor's workspace; who was first stays. NotFound for an alert of anybody else."""
    access.require(actor, Permission.ALERT_CHANGE)
    return await _note(tx, actor, await tx.guard.alert(id), now=now)


async def acknowledge_ours(tx: GuardTx, actor: Actor, id: str, *, now: datetime) -> Alert:
    """The same on an alert of the installation, by an operator. A workspace's are for its own people to answer."""
    access.require_operator(actor)
    return await _note(tx, replace(actor, workspace=_NOWHERE), await tx.guard.alert(id), now=now)


async def _note(tx: GuardTx, actor: Actor, alert: Alert | None, *, now: datetime) -> Alert:
    if alert is None or (alert.workspace or _NOWHERE) != actor.workspace:
        raise NotFound("not_found", "There is no alert with that id.")
    if alert.acknowledged is not None:
        return alert
    noted = replace(alert, acknowledged=now, acknowledged_by=f"{actor.kind} {actor.id}")
    await tx.guard.acknowledge(noted)
    facts = {"rule": alert.rule, "severity": alert.severity}
    await tx.audit.append(actor, "alert.acknowledged", alert.id, facts, now=now)
    return noted
