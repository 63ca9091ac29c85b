"""Add what was observed, let the rules judge, and raise an alert for what they find, once for each attack."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from mailward.base import ids
from mailward.base.errors import NotFound
from mailward.base.ids import WorkspaceId
from mailward.base.sources import Entropy
from mailward.core.guard.model import Alert
from mailward.core.guard.ports import GuardTx
from mailward.core.identity.credentials import REHEARSAL
from mailward.policy import access, reputation
from mailward.policy.access import Actor, Permission
from mailward.policy.detection import KEEP_SLOTS, QUIET_SECONDS, Finding, Observation, detect, slot_of


async def observe(tx: GuardTx, observations: Sequence[Observation]) -> None:
    """Add what a process counted. System scope."""
    await tx.guard.observe(observations)


async def raise_alerts(tx: GuardTx, *, now: datetime, entropy: Entropy) -> list[Alert]:
    """Judge what was counted by all; the alerts raised now. System scope.

    What is told already is told again only after six hours. An alert on a credential or a
    person belongs to their workspace, one on a source to the installation; each is in that
    audit log.
    """
    raised = []
    for finding in await _findings(tx, slot_of(now.timestamp())):
        if (alert := await raise_one(tx, finding, now=now, entropy=entropy)) is not None:
            raised.append(alert)
    return raised


async def raise_on_returns(
    tx: GuardTx, workspace: WorkspaceId, hours: Iterable[tuple[int, str, int]], *, now: datetime, entropy: Entropy
) -> list[Alert]:
    """Judge what came back of a workspace's mail; the alerts raised now. System scope.

    `hours` are its counters, (hour since 1970, what, how many) each, `HOURS_LOOKED_AT` back.
    """
    raw = ids.decode("ws", workspace)
    raised = []
    for found in reputation.judge(hours, int(now.timestamp()) // 3600):
        finding = Finding(found.rule, found.severity, raw, workspace, raw, found.sentence)
        if (alert := await raise_one(tx, finding, now=now, entropy=entropy)) is not None:
            raised.append(alert)
    return raised


async def raise_one(tx: GuardTx, finding: Finding, *, now: datetime, entropy: Entropy) -> Alert | None:
    """Record and audit what a rule found; None when it was told within six hours. System scope."""
    if await tx.guard.alerted(finding.rule, finding.subject, now - timedelta(seconds=QUIET_SECONDS)):
        return None
    workspace = WorkspaceId(ids.encode("ws", finding.workspace)) if finding.workspace else None
    alert = Alert(
        ids.new("alr", now, entropy), workspace, now, finding.rule, finding.severity, finding.name, finding.sentence
    )
    await tx.guard.add_alert(alert, finding.subject)
    facts = {"rule": alert.rule, "severity": alert.severity, "subject": alert.subject, "why": alert.sentence}
    actor = Actor(workspace or WorkspaceId(""), "system", "guard")
    await tx.audit.append(actor, "alert.raised", alert.id, facts, now=now)
    return alert


async def _findings(tx: GuardTx, slot: int) -> list[Finding]:
    """Names are opened only of those that are to be told."""
    found: list[Finding] = []
    for observed in await tx.guard.observed(slot - KEEP_SLOTS):
        if detect([observed], slot):
            name = await tx.guard.subject(observed.kind, observed.subject)
            if await _rehearsed(tx, name):
                continue
            found += detect([replace(observed, name=name)], slot)
    return found


async def _rehearsed(tx: GuardTx, name: str) -> bool:
    """Whether a credential was made by a verification, which shows it at every door on purpose."""
    if not name.startswith(("key_", "smtp_")):
        return False
    try:
        credential = await tx.credentials.get(name)
    except NotFound:
        return False
    return credential is not None and credential.created_by == REHEARSAL


async def list_alerts(tx: GuardTx, actor: Actor, *, before: str | None = None, limit: int = 50) -> list[Alert]:
    """Alerts of the actor's workspace, newest first; in the system scope those of all and of the installation."""
    access.require(actor, Permission.AUDIT_READ)
    return await tx.guard.alerts(before=before, limit=limit)
