"""Alerts of the workspace: listed, and acknowledged by who has seen one."""

from __future__ import annotations

from mailward.edges.web.limits import RateClass
from mailward.edges.web.routes import Call, Operation
from mailward.edges.web.schema import alerts as types
from mailward.edges.web.schema.common import NoQuery, PageQuery
from mailward.policy.access import Permission


async def find(call: Call[PageQuery, None]) -> types.AlertPage:
    """Newest first."""
    return await call.platform.alerts.page(call.actor, call.query)


async def acknowledge(call: Call[NoQuery, None]) -> types.Alert:
    """Note that it was seen."""
    return await call.platform.alerts.acknowledge(call.actor, call.params["alert"])


OPERATIONS = [
    Operation(
        method="GET",
        path="/v1/alerts",
        handler=find,
        permission=Permission.AUDIT_READ,
        rate=RateClass.READ,
        name="listAlerts",
        tag="audit",
        summary="List attacks on the workspace that a rule recognised",
        query=PageQuery,
        response=types.AlertPage,
        errors=("invalid_cursor",),
    ),
    Operation(
        method="POST",
        path="/v1/alerts/{alert}/acknowledge",
        handler=acknowledge,
        permission=Permission.ALERT_CHANGE,
        rate=RateClass.WRITE,
        name="acknowledgeAlert",
        tag="audit",
        summary="Note that an alert was seen",
        description="Who and when are kept with it and in the audit log; who was first stays.",
        response=types.Alert,
        errors=("not_found",),
    ),
]
