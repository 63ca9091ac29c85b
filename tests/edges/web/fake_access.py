"""Operators' access and reviews in memory, for the fake platform."""

from __future__ import annotations

from datetime import UTC, datetime

from mailward.base.errors import Conflict, NotFound
from mailward.edges.web.schema import access
from mailward.edges.web.schema.common import PageQuery
from mailward.policy.access import Actor

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


class FakeAccess:
    """One request, one review."""

    def __init__(self) -> None:
        self.state = "requested"

    def _grant(self) -> access.OperatorAccess:
        return access.OperatorAccess(
            id="grt_" + "0" * 26, operator="ann@ops.test", state=self.state, what=["metadata"],  # type: ignore[arg-type]
            reason="mail does not arrive", ticket="T-1", ground="none", legal="", minutes=60, requested_at=NOW,
            waits_for_permission=False,
        )  # fmt: skip

    async def list_access(self, actor: Actor, query: PageQuery) -> access.OperatorAccessPage:
        return access.OperatorAccessPage(data=[self._grant()])

    async def permit(self, actor: Actor, grant: str) -> access.OperatorAccess:
        if grant != self._grant().id:
            raise NotFound("not_found", "There is no such grant.")
        raise Conflict("grant_state", "This request does not wait for a permission.")

    async def revoke(self, actor: Actor, grant: str) -> access.OperatorAccess:
        if grant != self._grant().id:
            raise NotFound("not_found", "There is no such grant.")
        self.state = "ended"
        return self._grant()

    def _review(self) -> access.AccessReview:
        return access.AccessReview(
            id="rev_" + "0" * 26, quarter="2030-Q1", opened_at=NOW, escalates_at=NOW, suspends_at=NOW,
            items=[access.ReviewItem(kind="key", id="key_x", name="shop", facts={"scopes": "send"})],
        )  # fmt: skip

    async def reviews(self, actor: Actor) -> access.AccessReviewPage:
        return access.AccessReviewPage(data=[self._review()])

    async def review(self, actor: Actor, id: str) -> access.AccessReview:
        if id != self._review().id:
            raise NotFound("not_found", "There is no access review with that id.")
        return self._review()

    async def decide(self, actor: Actor, id: str, request: access.DecideAccess) -> access.AccessReview:
        return await self.review(actor, id)
