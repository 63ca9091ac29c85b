"""What of its mail a workspace does not want stored."""

from __future__ import annotations

from mailward.edges.web.limits import RateClass
from mailward.edges.web.routes import Call, Operation
from mailward.edges.web.schema import redaction as types
from mailward.edges.web.schema.common import NoQuery
from mailward.policy.access import Permission


async def get(call: Call[NoQuery, None]) -> types.Redaction:
    """The rules."""
    return await call.platform.workspace.redaction(call.actor)


async def change(call: Call[NoQuery, types.ChangeRedaction]) -> types.Redaction:
    """Other rules."""
    return await call.platform.workspace.change_redaction(call.actor, call.body)


OPERATIONS = [
    Operation(
        method="GET",
        path="/v1/workspace/redaction",
        handler=get,
        permission=Permission.WORKSPACE_READ,
        rate=RateClass.READ,
        name="getRedaction",
        tag="workspace",
        summary="Which fields of mail are redacted or never stored",
        response=types.Redaction,
    ),
    Operation(
        method="PATCH",
        path="/v1/workspace/redaction",
        handler=change,
        permission=Permission.WORKSPACE_CHANGE,
        rate=RateClass.WRITE,
        name="changeRedaction",
        tag="workspace",
        summary="Change which fields of mail are redacted or never stored",
        description="In force for every message accepted from now on; what is stored already follows within minutes. "
        "What was taken out does not come back when a rule is changed again.",
        request=types.ChangeRedaction,
        response=types.Redaction,
        errors=("hours_without_redact",),
    ),
]
