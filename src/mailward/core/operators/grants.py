"""Break-glass: ask for access to a workspace with a reason, have it let through by a second person, begin it.

Every step is written to the customer's audit log in the transaction that takes it. There
is no verb that widens or prolongs: whoever needs more asks anew, and is asked anew.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

import msgspec

from mailward.base import ids
from mailward.base.errors import Conflict, Forbidden, Invalid, NotFound
from mailward.base.sources import Entropy
from mailward.core.operators.end import finish, require_move, wanted
from mailward.core.operators.model import (
    ALONE_WAITS,
    LONGEST,
    SENIORITY,
    USE_WITHIN,
    Grant,
    GrantState,
    Ground,
    Operator,
    Reach,
    Why,
    Wish,
)
from mailward.core.operators.ports import OperatorsTx
from mailward.core.operators.register import require_in_order, standing
from mailward.policy import access
from mailward.policy.access import Actor, Permission

_LONGEST_TEXT = 1000
_LEAST_REASON = 10


async def request(tx: OperatorsTx, actor: Actor, wish: Wish, *, now: datetime, entropy: Entropy) -> Grant:
    """Ask for access to the actor's workspace. Tenant scope; `actor` is the operator, and that is checked here.

    Where no other operator serves, the request waits a day instead of for an approval,
    and the customer is told of it. Forbidden when the operator's register lapsed.
    """
    operator = await standing(tx, actor.id)
    require_in_order(operator, now)
    if await tx.workspaces.get(actor.workspace) is None:
        raise NotFound("not_found", "There is no workspace with that id.")
    wish = msgspec.structs.replace(good_wish(wish), asked_by=operator.email)
    alone = not _others(await tx.operators.serving(), operator)
    grant = Grant(
        ids.new("grt", now, entropy),
        actor.workspace,
        operator.id,
        wish,
        GrantState.WAITING if alone else GrantState.REQUESTED,
        now,
        ready=now + ALONE_WAITS if alone else None,
    )
    await tx.operators.add_grant(grant)
    facts = {
        "operator": operator.email,
        "what": " ".join(sorted(wish.reach)),
        "minutes": str(wish.minutes),
        "reason": wish.reason,
        "ticket": wish.ticket,
        "ground": wish.legal if wish.ground is Ground.LEGAL else wish.ground.value,
    }
    if grant.ready is not None:
        facts["not_before"] = grant.ready.isoformat()
    await tx.audit.append(actor, "operator_access.requested", grant.id, facts, now=now)
    return grant


def good_wish(wish: Wish) -> Wish:
    """The wish with its texts trimmed; Invalid when it asks for nothing, too long, or does not say why."""
    reason, ticket, legal = wish.reason.strip(), wish.ticket.strip(), wish.legal.strip()
    if not wish.reach:
        raise Invalid("bad_reach", "Say what is to be read: metadata, content or configuration.", field="what")
    if not _LEAST_REASON <= len(reason) <= _LONGEST_TEXT:
        raise Invalid("bad_reason", "The customer reads the reason: give them a sentence.", field="reason")
    if not 0 < len(ticket) <= 200:
        raise Invalid("bad_ticket", "Name the ticket or case this belongs to.", field="ticket")
    if not 1 <= wish.minutes <= LONGEST // timedelta(minutes=1):
        raise Invalid("bad_minutes", "A grant is for 1 to 240 minutes.", field="minutes")
    if Reach.CONTENT in wish.reach:
        if wish.ground is Ground.NONE:
            text = "Content takes the customer's permission or a legal ground that is put on record."
            raise Invalid("no_ground", text, field="ground")
        if wish.ground is Ground.LEGAL and not _LEAST_REASON <= len(legal) <= _LONGEST_TEXT:
            raise Invalid("bad_ground", "State the legal ground.", field="legal")
    return msgspec.structs.replace(wish, reason=reason, ticket=ticket, legal=legal)


async def approve(tx: OperatorsTx, actor: Actor, id: str, *, now: datetime) -> Grant:
    """Let another operator's request through. Tenant scope.

    Never one's own; nobody approves who became an operator less than a day ago or whose
    own register lapsed.
    """
    approver = await standing(tx, actor.id)
    grant = await wanted(tx, actor, id)
    if approver.id == grant.operator:
        raise Forbidden("self_approval", "Nobody approves their own request.")
    if now - approver.made < SENIORITY:
        raise Forbidden("too_new", "Who became an operator less than a day ago approves nothing yet.")
    require_in_order(approver, now)
    require_in_order(await standing(tx, grant.operator), now)
    require_move(grant, GrantState.READY)
    approved = replace(grant, state=GrantState.READY, approver=approver.id, approved=now, ready=None)
    await tx.operators.change_grant(approved)
    await tx.audit.append(actor, "operator_access.approved", id, {"approver": approver.email}, now=now)
    return approved


async def refuse(tx: OperatorsTx, actor: Actor, id: str, *, now: datetime) -> Grant:
    """Turn a request down. Tenant scope; another operator's decision."""
    approver = await standing(tx, actor.id)
    grant = await wanted(tx, actor, id)
    if approver.id == grant.operator:
        raise Forbidden("self_approval", "Nobody decides on their own request; revoke it instead.")
    if grant.state not in (GrantState.REQUESTED, GrantState.WAITING):
        raise Conflict("grant_state", "This request was decided already.")
    return await finish(tx, actor, grant, Why.REFUSED, now=now)


async def permit(tx: OperatorsTx, actor: Actor, id: str, *, now: datetime) -> Grant:
    """The customer's permission for content, given by somebody who may change the workspace. Tenant scope."""
    access.require(actor, Permission.WORKSPACE_CHANGE)
    if actor.kind not in ("session", "key"):
        raise Forbidden("forbidden", "Permission is given by the customer, in the dashboard or by their key.")
    grant = await wanted(tx, actor, id)
    if actor.id == grant.operator:
        raise Forbidden("self_approval", "Nobody permits their own request.")
    if grant.state is GrantState.ENDED or grant.permitted is not None or grant.wish.ground is not Ground.PERMISSION:
        raise Conflict("grant_state", "This request does not wait for a permission.")
    permitted = replace(grant, permitted=now, permitted_by=actor.id)
    await tx.operators.change_grant(permitted)
    await tx.audit.append(actor, "operator_access.permitted", id, now=now)
    return permitted


async def begin(tx: OperatorsTx, actor: Actor, id: str, *, now: datetime) -> Grant:
    """Start the clock of one's own grant. Tenant scope.

    Conflict while it waits for an approval, for the customer, or for its day to pass, and
    where it was let through more than a day ago. A request made alone is not for those who
    have a second operator by now: it goes to them.
    """
    operator = await standing(tx, actor.id)
    grant = await wanted(tx, actor, id)
    if grant.operator != operator.id:
        raise NotFound("not_found", "There is no such grant.")
    require_in_order(operator, now)
    require_move(grant, GrantState.LIVE)
    if Reach.CONTENT in grant.wish.reach and grant.wish.ground is Ground.PERMISSION and grant.permitted is None:
        raise Conflict("not_permitted", "The customer has not permitted it yet.")
    since = grant.approved
    if grant.state is GrantState.WAITING:
        since = grant.ready
        if since is None or now < since:
            raise Conflict("too_early", f"This access may begin at {since:%Y-%m-%d %H:%M} UTC.")
        if _seniors(_others(await tx.operators.serving(), operator), now):
            raise Conflict("not_alone", "There is a second operator by now: have it approved.")
    elif not await approver_serves(tx, grant):
        raise Forbidden("approver_gone", "Whoever approved this is no operator any more. Ask anew.")
    if since is None or now - since >= USE_WITHIN:
        raise Conflict("grant_unused", "This was let through more than a day ago. Ask anew.")
    begun = replace(grant, state=GrantState.LIVE, began=now, ends=now + timedelta(minutes=grant.wish.minutes))
    await tx.operators.change_grant(begun)
    assert begun.ends is not None
    facts = {"operator": operator.email, "until": begun.ends.isoformat(), "what": " ".join(sorted(grant.wish.reach))}
    await tx.audit.append(actor, "operator_access.began", id, facts, now=now)
    return begun


async def approver_serves(tx: OperatorsTx, grant: Grant) -> bool:
    """Whether the second person a grant rests on is one, and an operator still."""
    if grant.approver is None or grant.approver == grant.operator:
        return False
    approver = await tx.operators.get(grant.approver)
    return approver is not None and approver.serving


async def list_for_customer(tx: OperatorsTx, actor: Actor, *, limit: int, before: str | None = None) -> list[Grant]:
    """Every access that was asked for to the actor's workspace, newest first."""
    access.require(actor, Permission.AUDIT_READ)
    return await tx.operators.grants(limit=limit, before=before)


def _others(serving: Collection[Operator], operator: Operator) -> list[Operator]:
    return [o for o in serving if o.id != operator.id]


def _seniors(operators: Collection[Operator], now: datetime) -> list[Operator]:
    return [o for o in operators if now - o.made >= SENIORITY]
