"""Operators' access, for the customer it concerns, and access reviews."""

from __future__ import annotations

from mailward.edges.web.limits import RateClass
from mailward.edges.web.routes import Call, Operation
from mailward.edges.web.schema import access as types
from mailward.edges.web.schema.common import NoQuery, PageQuery
from mailward.policy.access import Permission


async def list_access(call: Call[PageQuery, None]) -> types.OperatorAccessPage:
    """Newest first."""
    return await call.platform.access.list_access(call.actor, call.query)


async def permit(call: Call[NoQuery, None]) -> types.OperatorAccess:
    """The customer's permission."""
    return await call.platform.access.permit(call.actor, call.params["grant"])


async def revoke(call: Call[NoQuery, None]) -> types.OperatorAccess:
    """It is over."""
    return await call.platform.access.revoke(call.actor, call.params["grant"])


async def reviews(call: Call[NoQuery, None]) -> types.AccessReviewPage:
    """Newest first."""
    return await call.platform.access.reviews(call.actor)


async def review(call: Call[NoQuery, None]) -> types.AccessReview:
    """One, as evidence."""
    return await call.platform.access.review(call.actor, call.params["review"])


async def decide(call: Call[NoQuery, types.DecideAccess]) -> types.AccessReview:
    """Keep or remove."""
    return await call.platform.access.decide(call.actor, call.params["review"], call.body)


OPERATIONS = [
    Operation(
        method="GET",
        path="/v1/operator-access",
        handler=list_access,
        permission=Permission.AUDIT_READ,
        rate=RateClass.READ,
        name="listOperatorAccess",
        tag="access",
        summary="Which operators asked for access to this workspace",
        description="An operator of the installation reads in a workspace by a grant only. Each read is in the log.",
        query=PageQuery,
        response=types.OperatorAccessPage,
        errors=("invalid_cursor",),
    ),
    Operation(
        method="POST",
        path="/v1/operator-access/{grant}/permit",
        handler=permit,
        permission=Permission.WORKSPACE_CHANGE,
        rate=RateClass.WRITE,
        name="permitOperatorAccess",
        tag="access",
        summary="Permit a request to read content",
        response=types.OperatorAccess,
        errors=("not_found", "grant_state", "self_approval"),
    ),
    Operation(
        method="POST",
        path="/v1/operator-access/{grant}/revoke",
        handler=revoke,
        permission=Permission.WORKSPACE_CHANGE,
        rate=RateClass.WRITE,
        name="revokeOperatorAccess",
        tag="access",
        summary="End an operator's access, or turn a request down",
        response=types.OperatorAccess,
        errors=("not_found", "grant_ended"),
    ),
    Operation(
        method="GET",
        path="/v1/access-reviews",
        handler=reviews,
        permission=Permission.MEMBER_READ,
        rate=RateClass.READ,
        name="listAccessReviews",
        tag="access",
        summary="The quarterly reviews of who has access",
        response=types.AccessReviewPage,
    ),
    Operation(
        method="GET",
        path="/v1/access-reviews/{review}",
        handler=review,
        permission=Permission.MEMBER_READ,
        rate=RateClass.READ,
        name="getAccessReview",
        tag="access",
        summary="One review, as evidence",
        response=types.AccessReview,
        errors=("not_found",),
    ),
    Operation(
        method="POST",
        path="/v1/access-reviews/{review}/decisions",
        handler=decide,
        permission=Permission.WORKSPACE_CHANGE,
        rate=RateClass.WRITE,
        name="decideAccess",
        tag="access",
        summary="Keep or remove one access",
        description="Done at once. What nobody decided on within 30 days is suspended.",
        request=types.DecideAccess,
        response=types.AccessReview,
        errors=("not_found", "decided", "self_review", "last_manager", "not_restorable"),
    ),
]
