"""Grants end: by time, by whoever revokes them, or because a person they rest on lost their place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from mailward.base.errors import Conflict, NotFound
from mailward.core.operators.model import TRANSITIONS, USE_WITHIN, Grant, GrantState, Why
from mailward.core.operators.ports import OperatorsTx
from mailward.policy import access
from mailward.policy.access import Actor, Permission


async def revoke(tx: OperatorsTx, actor: Actor, id: str, *, now: datetime) -> Grant:
    """End a grant that has not ended, whatever its state: its operator, any other operator, or the customer may.

    For the customer that takes the right to change the workspace. NotFound for a foreign one.
    """
    if actor.kind == "operator":
        found = await tx.operators.get(actor.id)  # type: ignore[arg-type]  # an operator's id is a user's
        if found is None or not found.serving:
            raise NotFound("not_found", "There is no such grant.")
        why = Why.OPERATOR
    else:
        access.require(actor, Permission.WORKSPACE_CHANGE)
        why = Why.CUSTOMER
    grant = await wanted(tx, actor, id)
    if grant.state is GrantState.ENDED:
        raise Conflict("grant_ended", "This access has ended already.")
    return await finish(tx, actor, grant, why, now=now)


async def expire(tx: OperatorsTx, actor: Actor, *, now: datetime) -> int:
    """End what is over and what was let through and never used. System scope; how many."""
    ended = 0
    for overdue in await tx.operators.overdue(now, now - USE_WITHIN):
        if (grant := await _standing(tx, overdue)) is not None:
            why = Why.TIME if grant.state is GrantState.LIVE else Why.UNUSED
            await finish(tx, actor, grant, why, now=now)
            ended += 1
    return ended


async def _standing(tx: OperatorsTx, grant: Grant) -> Grant | None:
    """It as it is in its turn; None when it ended meanwhile."""
    await tx.audit.in_turn(grant.workspace)
    current = await tx.operators.grant(grant.id)
    return None if current is None or current.state is GrantState.ENDED else current


async def end_all(tx: OperatorsTx, actor: Actor, grants: Sequence[Grant], why: Why, *, now: datetime) -> int:
    """End several. System scope; how many had not ended."""
    ended = 0
    for grant in grants:
        if (current := await _standing(tx, grant)) is not None:
            await finish(tx, actor, current, why, now=now)
            ended += 1
    return ended


async def finish(tx: OperatorsTx, actor: Actor, grant: Grant, why: Why, *, now: datetime) -> Grant:
    """The one way out, with its entry in the customer's log; every process forgets the keys it holds unwrapped."""
    require_move(grant, GrantState.ENDED)
    # What ran out of time ended when its time was over, not when that was noticed.
    at = min(now, grant.ends) if why is Why.TIME and grant.ends is not None else now
    ended = replace(grant, state=GrantState.ENDED, ended=at, ended_by=actor.id, why=why)
    await tx.operators.change_grant(ended)
    await tx.revocations.bump()
    by = replace(actor, workspace=grant.workspace)
    await tx.audit.append(by, "operator_access.ended", grant.id, {"why": why.value, "at": at.isoformat()}, now=now)
    return ended


async def wanted(tx: OperatorsTx, actor: Actor, id: str) -> Grant:
    """The grant of the actor's workspace, as nobody changes it until this is decided; NotFound otherwise."""
    await tx.audit.in_turn(actor.workspace)
    grant = await tx.operators.grant(id)
    if grant is None or grant.workspace != actor.workspace:
        raise NotFound("not_found", "There is no such grant.")
    return grant


def require_move(grant: Grant, to: GrantState) -> None:
    """Raise Conflict unless the table of states has this move."""
    if to not in TRANSITIONS[grant.state]:
        raise Conflict("grant_state", f"A grant that is {grant.state.value} cannot become {to.value}.")
