"""Tracking of opens and clicks: off unless somebody says otherwise, and recipients who do not want it."""

from __future__ import annotations

from mailward.edges.web.limits import RateClass
from mailward.edges.web.routes import Call, Operation
from mailward.edges.web.schema import tracking as types
from mailward.edges.web.schema.common import NoQuery
from mailward.policy.access import Permission


async def settings(call: Call[NoQuery, None]) -> types.TrackingSettings:
    """What is said, and what it comes to."""
    return await call.platform.tracking.settings(call.actor)


async def change(call: Call[NoQuery, types.ChangeTracking]) -> types.TrackingSettings:
    """Say something else."""
    return await call.platform.tracking.change(call.actor, call.body)


async def opt_out(call: Call[NoQuery, types.OptOutRequest]) -> types.OptOut:
    """Track a recipient no more."""
    return await call.platform.tracking.opt_out(call.actor, call.body.address)


async def check(call: Call[NoQuery, types.OptOutRequest]) -> types.OptOut:
    """Whether a recipient opted out; the address stays out of logs of proxies."""
    return await call.platform.tracking.opted_out(call.actor, call.body.address)


async def opt_in(call: Call[types.OptOutQuery, None]) -> None:
    """The recipient agrees again."""
    await call.platform.tracking.opt_in(call.actor, call.query.address)


OPERATIONS = [
    Operation(
        method="GET",
        path="/v1/tracking",
        handler=settings,
        permission=Permission.DOMAIN_READ,
        rate=RateClass.READ,
        name="getTracking",
        tag="tracking",
        summary="What is tracked of sent mail",
        response=types.TrackingSettings,
    ),
    Operation(
        method="PATCH",
        path="/v1/tracking",
        handler=change,
        permission=Permission.DOMAIN_CHANGE,
        rate=RateClass.WRITE,
        name="changeTracking",
        tag="tracking",
        summary="Change what is tracked",
        description="For mail that is accepted from then on. Without any of these nothing is tracked, and bodies leave "
        "as they came.",
        request=types.ChangeTracking,
        response=types.TrackingSettings,
        errors=("not_found",),
        example={"workspace": "clicks", "streams": {"transactional": "off"}},
    ),
    Operation(
        method="POST",
        path="/v1/tracking/opt-outs",
        handler=opt_out,
        permission=Permission.SUPPRESSION_CHANGE,
        rate=RateClass.WRITE,
        name="addTrackingOptOut",
        tag="tracking",
        summary="Track a recipient no more",
        description="In mail to come, and in mail that was sent: its links go on working, and nothing is kept.",
        request=types.OptOutRequest,
        response=types.OptOut,
        errors=("invalid_address",),
    ),
    Operation(
        method="POST",
        path="/v1/tracking/opt-outs/check",
        handler=check,
        permission=Permission.SUPPRESSION_READ,
        rate=RateClass.READ,
        name="checkTrackingOptOut",
        tag="tracking",
        summary="Whether a recipient opted out of tracking",
        request=types.OptOutRequest,
        response=types.OptOut,
        errors=("invalid_address",),
    ),
    Operation(
        method="DELETE",
        path="/v1/tracking/opt-outs",
        handler=opt_in,
        permission=Permission.SUPPRESSION_CHANGE,
        rate=RateClass.WRITE,
        name="removeTrackingOptOut",
        tag="tracking",
        summary="Take a recipient's opt-out back",
        query=types.OptOutQuery,
        status=204,
        errors=("invalid_address", "not_found"),
    ),
]
