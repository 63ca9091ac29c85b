"""The access area of the platform: what a customer sees and decides of operators' access, and access reviews."""

from __future__ import annotations

from mailward.app.platform.pages import checked
from mailward.app.store import Store
from mailward.base.sources import Clock
from mailward.core.operators import end, grants, review
from mailward.core.operators.model import Decision, Grant, GrantState, Ground, Kind, Review
from mailward.core.operators.review import ESCALATES, SUSPENDS
from mailward.edges.web.schema import access as schema
from mailward.edges.web.schema.common import PageQuery
from mailward.policy.access import Actor


class Access:
    """Implements `edges.web.ports.Access`."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def list_access(self, actor: Actor, query: PageQuery) -> schema.OperatorAccessPage:
        """Every access that was asked for."""
        before = checked(query.cursor, "grt")
        found = await self._store.read(
            actor.workspace, lambda tx: grants.list_for_customer(tx, actor, limit=query.limit + 1, before=before)
        )
        shown = found[: query.limit]
        more = shown[-1].id if len(found) > query.limit else None
        return schema.OperatorAccessPage(data=[shown_grant(g) for g in shown], next_cursor=more)

    async def permit(self, actor: Actor, grant: str) -> schema.OperatorAccess:
        """The customer's permission for content."""
        now = self._clock.now()
        return shown_grant(
            await self._store.write(actor.workspace, lambda tx: grants.permit(tx, actor, grant, now=now))
        )

    async def revoke(self, actor: Actor, grant: str) -> schema.OperatorAccess:
        """The customer ends it."""
        now = self._clock.now()
        return shown_grant(await self._store.write(actor.workspace, lambda tx: end.revoke(tx, actor, grant, now=now)))

    async def reviews(self, actor: Actor) -> schema.AccessReviewPage:
        """The last two years."""
        found = await self._store.read(actor.workspace, lambda tx: review.list_reviews(tx, actor, limit=8))
        return schema.AccessReviewPage(data=[shown_review(r) for r in found])

    async def review(self, actor: Actor, id: str) -> schema.AccessReview:
        """One, as evidence."""
        return shown_review(await self._store.read(actor.workspace, lambda tx: review.show(tx, actor, id)))

    async def decide(self, actor: Actor, id: str, request: schema.DecideAccess) -> schema.AccessReview:
        """Keep or remove one access."""
        now = self._clock.now()
        kind, decision = Kind(request.kind), Decision(request.decision)
        done = await self._store.write(
            actor.workspace, lambda tx: review.decide(tx, actor, id, kind, request.id, decision, now=now)
        )
        return shown_review(done)


def shown_grant(g: Grant) -> schema.OperatorAccess:
    """A grant as it is published."""
    waits = g.wish.ground is Ground.PERMISSION and g.permitted is None and g.state is not GrantState.ENDED
    return schema.OperatorAccess(
        id=g.id,
        operator=g.wish.asked_by,
        state=g.state.value,
        what=sorted(r.value for r in g.wish.reach),
        reason=g.wish.reason,
        ticket=g.wish.ticket,
        ground=g.wish.ground.value,
        legal=g.wish.legal,
        minutes=g.wish.minutes,
        requested_at=g.requested,
        waits_for_permission=waits,
        not_before=g.ready,
        approver=g.approver,
        approved_at=g.approved,
        permitted_at=g.permitted,
        began_at=g.began,
        ends_at=g.ends,
        ended_at=g.ended,
        why_ended=g.why.value if g.why else None,
        workspace=g.workspace,
    )


def shown_review(r: Review) -> schema.AccessReview:
    """A review as it is published."""
    return schema.AccessReview(
        id=r.id,
        quarter=r.quarter,
        opened_at=r.opened,
        escalates_at=r.opened + ESCALATES,
        suspends_at=r.opened + SUSPENDS,
        escalated_at=r.escalated,
        suspended_at=r.suspended,
        closed_at=r.closed,
        items=[
            schema.ReviewItem(
                kind=i.kind.value,
                id=i.id,
                name=i.name,
                facts=i.facts,
                decision=i.decision.value if i.decision else None,
                decided_at=i.decided,
                decided_by=i.decided_by,
                outcome=i.outcome,
            )
            for i in r.items
        ],
    )
