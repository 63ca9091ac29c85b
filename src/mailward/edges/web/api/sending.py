"""Pausing and resuming: whether new mail is sent or held."""

from __future__ import annotations

from mailward.edges.web.limits import RateClass
from mailward.edges.web.routes import Call, Operation
from mailward.edges.web.schema import messages as types
from mailward.edges.web.schema.common import NoQuery
from mailward.policy.access import Permission


async def get(call: Call[NoQuery, None]) -> types.Sending:
    """What is paused."""
    return await call.platform.messages.sending(call.actor)


async def pause(call: Call[NoQuery, types.PauseSending]) -> types.Sending:
    """Hold new mail."""
    return await call.platform.messages.pause(call.actor, call.body)


async def resume(call: Call[NoQuery, types.ResumeSending]) -> types.Sending:
    """Let new mail flow."""
    return await call.platform.messages.resume(call.actor, call.body)


OPERATIONS = [
    Operation(
        method="GET",
        path="/v1/sending",
        handler=get,
        permission=Permission.MESSAGE_READ,
        rate=RateClass.READ,
        name="getSending",
        tag="messages",
        summary="Whether sending is paused",
        response=types.Sending,
    ),
    Operation(
        method="POST",
        path="/v1/sending/pause",
        handler=pause,
        permission=Permission.MESSAGE_CHANGE,
        rate=RateClass.WRITE,
        name="pauseSending",
        tag="messages",
        summary="Hold new mail",
        description="New messages are accepted and held until they are released; what was accepted before goes on.",
        request=types.PauseSending,
        response=types.Sending,
        errors=("conflict",),
    ),
    Operation(
        method="POST",
        path="/v1/sending/resume",
        handler=resume,
        permission=Permission.MESSAGE_CHANGE,
        rate=RateClass.WRITE,
        name="resumeSending",
        tag="messages",
        summary="Send new mail again",
        description="What is held stays held: release it, or cancel it.",
        request=types.ResumeSending,
        response=types.Sending,
        errors=("conflict",),
    ),
]
