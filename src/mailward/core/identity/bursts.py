"""Pause a credential that sends far more than it ever did, and release it when its owner says so."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from mailward.base.errors import Conflict, NotFound
from mailward.base.ids import WorkspaceId
from mailward.core.identity.model import PAUSED, Credential
from mailward.core.identity.ports import IdentityTx
from mailward.core.workspaces.notices import NoticesTx, tell_owner
from mailward.policy import access, bursts
from mailward.policy.access import Actor, Permission
from mailward.policy.bursts import BurstRule, Traffic
from mailward.policy.decision import Refuse


class BurstsTx(IdentityTx, NoticesTx, Protocol):
    """A transaction with what owners are to be told."""


async def note_traffic(
    tx: BurstsTx, counts: Mapping[tuple[WorkspaceId, str], int], rule: BurstRule, *, now: datetime
) -> list[str]:
    """Add what was sent to the history of each credential and pause those that burst; the ids paused now.

    System scope, a few times a minute from every process: what they saw adds up in the
    store, so that a burst spread over all of them is one burst. The owner is mailed, and
    finds the reason in the audit log and on the dashboard.
    """
    slot = bursts.slot_of(now.timestamp())
    paused = []
    # Every process counts the same credentials at this moment: in one order none waits for another crosswise.
    for (workspace, id), recipients in sorted(counts.items()):
        total = await tx.credentials.add_traffic(workspace, id, slot, recipients)
        # The history is read only when there may be something to judge.
        if not rule.on or total <= rule.floor:
            continue
        credential = await tx.credentials.get(id)
        if credential is None or credential.paused is not None or credential.revoked is not None:
            continue
        usual = await tx.credentials.busiest(workspace, id, slot - bursts.KEEP_SLOTS, slot - bursts.DAY_SLOTS)
        released = None if credential.released is None else bursts.slot_of(credential.released.timestamp())
        decision = bursts.decide(rule, Traffic(total, slot, usual, released))
        if isinstance(decision, Refuse) and await tx.credentials.pause(id, decision.sentence, now):
            await tx.revocations.bump()
            facts = {
                "kind": credential.kind.value,
                "name": credential.name,
                "recipients": str(total),
                "usual": str(usual),
                "reason": decision.code,
            }
            await tx.audit.append(Actor(workspace, "system", "bursts"), "credential.paused", id, facts, now=now)
            await tell_owner(tx, workspace, PAUSED, id, now=now)
            paused.append(id)
    return paused


async def release(tx: IdentityTx, actor: Actor, id: str, *, now: datetime) -> Credential:
    """Let a paused credential send again; for a day its traffic is taken as the owner's own.

    NotFound when there is none, Conflict when it is not paused. A credential cannot
    release itself, or a thief would.
    """
    access.require(actor, Permission.KEY_CHANGE)
    found = await tx.credentials.get(id)
    if found is None:
        raise NotFound("not_found", "There is no such key.")
    if actor.id == id:
        raise Conflict("releases_itself", "A paused credential is released with another one, or on the dashboard.")
    if found.revoked is not None or not await tx.credentials.release(id, now):
        raise Conflict("not_paused", "This credential is not paused.")
    await tx.revocations.bump()
    facts = {"kind": found.kind.value, "name": found.name, "reason": bursts.CODE}
    await tx.audit.append(actor, "credential.released", id, facts, now=now)
    return found


async def list_paused(tx: IdentityTx, actor: Actor) -> list[Credential]:
    """Credentials that wait for their owner's word."""
    access.require(actor, Permission.KEY_READ)
    return await tx.credentials.paused()
