"""Access of the installation's operators to a workspace, and the quarterly review of all access."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from mailward.edges.web.schema.common import Request, View
from mailward.edges.web.schema.messages import Instant

Kind = Literal["member", "key", "grant", "operator"]


class OperatorAccess(View):
    """One access that was asked for: by whom, why, to what, and what came of it. Each read is in the audit log."""

    id: str
    operator: str
    state: Literal["requested", "waiting", "ready", "live", "ended"]
    what: list[str]
    reason: str
    ticket: str
    ground: Annotated[str, Meta(description="For content: `permission`, or `legal` with the ground in `legal`.")]
    legal: str
    minutes: int
    requested_at: Instant
    waits_for_permission: bool
    not_before: Instant | None = None
    approver: str | None = None
    approved_at: Instant | None = None
    permitted_at: Instant | None = None
    began_at: Instant | None = None
    ends_at: Instant | None = None
    ended_at: Instant | None = None
    why_ended: str | None = None
    workspace: str = ""


class OperatorAccessPage(View):
    """Newest first."""

    data: list[OperatorAccess]
    next_cursor: str | None = None


class ReviewItem(View):
    """One access under review, as it was when the review opened."""

    kind: Kind
    id: str
    name: str
    facts: dict[str, str]
    decision: Literal["keep", "remove"] | None = None
    decided_at: Instant | None = None
    decided_by: str = ""
    outcome: str = ""


class AccessReview(View):
    """A quarter's review; exported as it stands, it is the evidence."""

    id: str
    quarter: Annotated[str, Meta(examples=["2026-Q4"])]
    opened_at: Instant
    items: list[ReviewItem]
    escalates_at: Instant
    suspends_at: Instant
    escalated_at: Instant | None = None
    suspended_at: Instant | None = None
    closed_at: Instant | None = None


class AccessReviewPage(View):
    """Newest first."""

    data: list[AccessReview]


class DecideAccess(Request):
    """What is to become of one access."""

    kind: Kind
    id: Annotated[str, Meta(min_length=1, max_length=64)]
    decision: Literal["keep", "remove"]
