"""Access reviews: each quarter somebody looks at who and what has access, and what nobody looked at is suspended.

A review lists what there was when it opened. Each item is kept or removed by a manager
of the workspace (of operators: by another operator, or at the machine's shell), and that
is done at once. After 14 days the managers are reminded; after 30, members who were not
decided on are out and keys are paused, until somebody decides to keep them after all.
The last manager and the last operator stay: a review does not lock the door from inside.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec

from mailward.base import ids
from mailward.base.errors import Conflict, Forbidden, Invalid, NotFound
from mailward.base.ids import UserId, WorkspaceId
from mailward.base.sources import Entropy
from mailward.core.identity.credentials import revoke_key
from mailward.core.identity.model import CredentialKind, Member
from mailward.core.identity.people import remove_member
from mailward.core.operators import end as ending
from mailward.core.operators import register
from mailward.core.operators.model import Decision, GrantState, Item, Kind, Review, Why
from mailward.core.operators.ports import OperatorsTx
from mailward.policy import access
from mailward.policy.access import Actor, Permission, Role

ESCALATES = timedelta(days=14)
SUSPENDS = timedelta(days=30)
_PAGE = 200
_PAUSED = "nobody reviewed it within 30 days"


def quarter_of(now: datetime) -> str:
    """The quarter a time lies in: "2026-Q1"."""
    return f"{now.year}-Q{(now.month + 2) // 3}"


def quarter_began(now: datetime) -> datetime:
    """When it began, UTC."""
    return datetime(now.year, (now.month - 1) // 3 * 3 + 1, 1, tzinfo=UTC)


async def open_review(tx: OperatorsTx, actor: Actor, *, now: datetime, entropy: Entropy) -> Review | None:
    """The quarter's review of the actor's workspace (tenant scope), or of operators (system scope, workspace "").

    None when the quarter has one already, or when there is nothing to look at.
    """
    items = await _of_workspace(tx, actor, now) if actor.workspace else await _of_installation(tx)
    if not items:
        return None
    review = Review(ids.new("rev", now, entropy), actor.workspace, quarter_of(now), now, tuple(items))
    if not await tx.reviews.add(review):
        return None
    facts = {"quarter": review.quarter, "items": str(len(items))}
    await tx.audit.append(actor, "access_review.opened", review.id, facts, now=now)
    return review


async def _of_workspace(tx: OperatorsTx, actor: Actor, now: datetime) -> list[Item]:
    items = [
        Item(
            kind=Kind.MEMBER, id=m.user, name=m.email,
            facts={"role": m.role.value, "joined": m.joined.isoformat(), "called": m.name},
        )
        for m in await tx.people.members(actor.workspace)
    ]  # fmt: skip
    for kind in CredentialKind:
        items += await _credentials(tx, kind, now)
    for g in await tx.operators.grants(limit=_PAGE):
        if g.state is not GrantState.ENDED:
            facts = {"state": g.state.value, "what": " ".join(sorted(g.wish.reach)), "ticket": g.wish.ticket}
            items.append(Item(kind=Kind.GRANT, id=g.id, name=g.wish.asked_by, facts=facts))
    return items


async def _credentials(tx: OperatorsTx, kind: CredentialKind, now: datetime) -> list[Item]:
    """Those of a kind that work, newest first: of two made in one millisecond, neither kind comes first by chance."""
    items: list[Item] = []
    before: str | None = None
    while page := await tx.credentials.page((kind,), before=before, limit=_PAGE):
        before = page[-1].id
        for c in page:
            if c.revoked is None and (c.expires is None or c.expires > now):
                facts = {"kind": c.kind.value, "scopes": " ".join(sorted(s.value for s in c.scopes))}
                facts["last_used"] = c.last_used.isoformat() if c.last_used else "never"
                items.append(Item(kind=Kind.KEY, id=c.id, name=c.name, facts=facts))
        if len(page) < _PAGE:
            break
    return items


async def _of_installation(tx: OperatorsTx) -> list[Item]:
    return [
        Item(kind=Kind.OPERATOR, id=o.id, name=o.email, facts={"since": o.made.isoformat(), "made_by": o.made_by})
        for o in await tx.operators.serving()
    ]


async def list_reviews(tx: OperatorsTx, actor: Actor, *, limit: int) -> list[Review]:
    """Reviews of the actor's workspace, newest first. Tenant scope."""
    access.require(actor, Permission.MEMBER_READ)
    return await tx.reviews.page(limit=limit)


async def show(tx: OperatorsTx, actor: Actor, id: str) -> Review:
    """One review, which is also its evidence. NotFound for a foreign one."""
    if actor.workspace:
        access.require(actor, Permission.MEMBER_READ)
    else:
        access.require_operator(actor)
    return _own(actor, await tx.reviews.get(id))


def _own(actor: Actor, review: Review | None) -> Review:
    if review is None or review.workspace != actor.workspace:
        raise NotFound("not_found", "There is no access review with that id.")
    return review


async def decide(
    tx: OperatorsTx, actor: Actor, id: str, kind: Kind, item: str, decision: Decision, *, now: datetime
) -> Review:
    """Keep or remove one access, now. Of a workspace in its scope; of operators in the system scope.

    Nobody decides on themselves while somebody else could. Conflict once it was decided.
    """
    if actor.workspace:
        access.require(actor, Permission.WORKSPACE_CHANGE)
    else:
        access.require_operator(actor)
    review = _own(actor, await tx.reviews.held(id))
    found = next((i for i in review.items if (i.kind, i.id) == (kind, item)), None)
    if found is None:
        raise NotFound("not_found", "This is not part of the review.")
    if found.outcome not in ("", "suspended", "last one"):
        raise Conflict("decided", "This was decided already.")
    await _not_oneself(tx, actor, found)
    match decision:
        case Decision.KEEP:
            outcome = await _restore(tx, actor, found, now) if found.outcome == "suspended" else "kept"
        case Decision.REMOVE:
            outcome = await _remove(tx, actor, found, now)
    settled = msgspec.structs.replace(found, decision=decision, decided=now, decided_by=actor.id, outcome=outcome)
    facts = {"kind": kind.value, "item": item, "decision": decision.value, "outcome": outcome}
    await tx.audit.append(actor, "access_review.decided", id, facts, now=now)
    return await _keep(tx, actor, review, [settled], now)


async def _not_oneself(tx: OperatorsTx, actor: Actor, item: Item) -> None:
    if item.id != actor.id:
        return
    if item.kind is Kind.OPERATOR:
        raise Forbidden("self_review", "Another operator decides on you, or the machine's own shell.")
    if sum(m.role is Role.MANAGER for m in await tx.people.members(actor.workspace)) > 1:
        raise Forbidden("self_review", "Another manager decides on you.")


async def _remove(tx: OperatorsTx, actor: Actor, item: Item, now: datetime) -> str:
    if item.outcome == "suspended" and item.kind is not Kind.KEY:
        return "removed"
    try:
        match item.kind:
            case Kind.MEMBER:
                await remove_member(tx, actor, UserId(item.id), now=now)
            case Kind.KEY:
                await revoke_key(tx, actor, item.id, now=now)
            case Kind.GRANT:
                await ending.revoke(tx, actor, item.id, now=now)
            case Kind.OPERATOR:
                await register.end(tx, actor, UserId(item.id), now=now)
    except NotFound:
        return "gone"
    except Conflict as e:
        if e.code == "last_manager":
            raise
        return "gone"
    return "removed"


async def _restore(tx: OperatorsTx, actor: Actor, item: Item, now: datetime) -> str:
    """Give back what was suspended: a member their place, a key its work. An operator is made anew, at the shell."""
    match item.kind:
        case Kind.MEMBER:
            user = await tx.people.member(actor.workspace, UserId(item.id))
            role = Role(item.facts["role"])
            if user is None:
                # What a role of the workspace's own allowed may have changed: they begin as a member.
                back = Role.MEMBER if role is Role.CUSTOM else role
                member = Member(UserId(item.id), item.name, item.facts.get("called", ""), back, now)
                await tx.people.add_member(actor.workspace, member)
                await tx.audit.append(actor, "member.restored", item.id, {"role": back.value}, now=now)
        case Kind.KEY:
            if await tx.credentials.release(item.id, now):
                await tx.revocations.bump()
                await tx.audit.append(actor, "credential.released", item.id, {"by": "access review"}, now=now)
        case _:
            raise Invalid("not_restorable", "This is not given back by a review; add it anew.", field="decision")
    return "kept"


async def escalate(tx: OperatorsTx, actor: Actor, id: str, *, now: datetime) -> Review | None:
    """Note that it is late; who is to be told is the caller's. None when it is not, or was noted. Same scopes."""
    review = await tx.reviews.held(id)
    if review is None or review.escalated is not None or review.closed is not None:
        return None
    if now - review.opened < ESCALATES:
        return None
    late = replace(review, escalated=now)
    await tx.reviews.change(late)
    facts = {"quarter": review.quarter, "undecided": str(len(review.undecided))}
    await tx.audit.append(actor, "access_review.escalated", id, facts, now=now)
    return late


async def suspend(tx: OperatorsTx, actor: Actor, id: str, *, now: datetime) -> Review | None:
    """Suspend whatever nobody decided on in 30 days. None when it is not time, or was done. Same scopes."""
    review = await tx.reviews.held(id)
    if review is None or review.suspended is not None or review.closed is not None:
        return None
    if now - review.opened < SUSPENDS:
        return None
    settled = []
    for item in review.undecided:
        outcome = await _suspend(tx, actor, item, now)
        settled.append(msgspec.structs.replace(item, outcome=outcome))
        facts = {"kind": item.kind.value, "item": item.id, "outcome": outcome}
        await tx.audit.append(actor, "access_review.suspended", id, facts, now=now)
    return await _keep(tx, actor, replace(review, suspended=now), settled, now)


async def _suspend(tx: OperatorsTx, actor: Actor, item: Item, now: datetime) -> str:
    match item.kind:
        case Kind.MEMBER:
            await tx.audit.in_turn(actor.workspace)
            members = {m.user: m for m in await tx.people.members(actor.workspace)}
            member = members.pop(UserId(item.id), None)
            if member is None:
                return "gone"
            if member.role is Role.MANAGER and not any(m.role is Role.MANAGER for m in members.values()):
                return "last one"
            await tx.people.remove_member(actor.workspace, member.user)
            await tx.people.revoke_sessions(member.user)
            await tx.revocations.bump()
            return "suspended"
        case Kind.KEY:
            if not await tx.credentials.pause(item.id, _PAUSED, now):
                return "gone"
            await tx.revocations.bump()
            return "suspended"
        case Kind.GRANT:
            grant = await tx.operators.grant(item.id)
            if grant is None or grant.state is GrantState.ENDED:
                return "gone"
            await ending.finish(tx, actor, grant, Why.ROLE, now=now)
            return "suspended"
        case Kind.OPERATOR:
            if len(await tx.operators.serving()) < 2:
                return "last one"
            try:
                await register.end(tx, actor, UserId(item.id), now=now)
            except NotFound:
                return "gone"
            return "suspended"


async def _keep(tx: OperatorsTx, actor: Actor, review: Review, settled: list[Item], now: datetime) -> Review:
    by_place = {(i.kind, i.id): i for i in settled}
    items = tuple(by_place.get((i.kind, i.id), i) for i in review.items)
    changed = replace(review, items=items)
    if changed.closed is None and all(i.outcome and i.outcome not in ("suspended", "last one") for i in items):
        changed = replace(changed, closed=now)
        await tx.audit.append(actor, "access_review.closed", review.id, {"quarter": review.quarter}, now=now)
    await tx.reviews.change(changed)
    return changed


def of_installation(actor: Actor) -> Actor:
    """The same actor, acting for the installation."""
    return replace(actor, workspace=WorkspaceId(""))
