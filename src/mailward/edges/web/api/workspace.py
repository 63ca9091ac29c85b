"""The workspace, its usage and its feed of events."""

from __future__ import annotations

from mailward.edges.web.limits import RateClass
from mailward.edges.web.routes import Call, Operation
from mailward.edges.web.schema import workspace as types
from mailward.edges.web.schema.common import NoQuery
from mailward.edges.web.schema.messages import EventPage
from mailward.policy.access import Permission


async def get(call: Call[NoQuery, None]) -> types.WorkspaceDetail:
    """Whose key this is."""
    return await call.platform.workspace.get(call.actor)


async def retention(call: Call[NoQuery, None]) -> types.Retention:
    """Terms."""
    return await call.platform.workspace.retention(call.actor)


async def change_retention(call: Call[NoQuery, types.ChangeRetention]) -> types.Retention:
    """Other terms."""
    return await call.platform.workspace.change_retention(call.actor, call.body)


async def usage(call: Call[types.UsageQuery, None]) -> types.Usage:
    """Counts by UTC day."""
    return await call.platform.workspace.usage(call.actor, call.query)


async def events(call: Call[types.EventQuery, None]) -> EventPage:
    """Newest first."""
    return await call.platform.workspace.events(call.actor, call.query)


OPERATIONS = [
    Operation(
        method="GET",
        path="/v1/workspace",
        handler=get,
        permission=Permission.WORKSPACE_READ,
        rate=RateClass.READ,
        name="getWorkspace",
        tag="workspace",
        summary="The workspace of this key",
        response=types.WorkspaceDetail,
    ),
    Operation(
        method="GET",
        path="/v1/workspace/retention",
        handler=retention,
        permission=Permission.WORKSPACE_READ,
        rate=RateClass.READ,
        name="getRetention",
        tag="workspace",
        summary="How long messages and their content are kept",
        response=types.Retention,
    ),
    Operation(
        method="PATCH",
        path="/v1/workspace/retention",
        handler=change_retention,
        permission=Permission.WORKSPACE_CHANGE,
        rate=RateClass.WRITE,
        name="changeRetention",
        tag="workspace",
        summary="Change how long messages and their content are kept",
        description="Content is never kept longer than the message it belongs to. What is past a shorter term is gone "
        "within minutes and does not come back when the term is lengthened.",
        request=types.ChangeRetention,
        response=types.Retention,
        errors=("content_outlives_message",),
    ),
    Operation(
        method="GET",
        path="/v1/usage",
        handler=usage,
        permission=Permission.WORKSPACE_READ,
        rate=RateClass.READ,
        name="getUsage",
        tag="workspace",
        summary="Counts by day",
        query=types.UsageQuery,
        response=types.Usage,
    ),
    Operation(
        method="GET",
        path="/v1/events",
        handler=events,
        permission=Permission.MESSAGE_READ,
        rate=RateClass.READ,
        name="listEvents",
        tag="events",
        summary="Events of all messages",
        description="Grouped by message, the newest message first; `limit` counts messages.",
        query=types.EventQuery,
        response=EventPage,
        errors=("invalid_cursor",),
    ),
]
