"""Reading messages and changing those that wait."""

from __future__ import annotations

from datetime import datetime, timedelta

from mailward.base.errors import Invalid
from mailward.edges.web.limits import RateClass
from mailward.edges.web.routes import Call, Operation, Reply
from mailward.edges.web.schema import messages as types
from mailward.edges.web.schema.common import NoQuery
from mailward.policy.access import Permission

FURTHEST = timedelta(days=30)


def check_schedule(at: datetime | None, now: datetime, field: str = "scheduled_at") -> datetime | None:
    """The instant in UTC, or Invalid when it is more than 30 days ahead. A time that has passed means now."""
    if at is None or at <= now:
        return None
    if at - now > FURTHEST:
        raise Invalid("schedule_too_far", "A message can be scheduled for up to 30 days ahead.", field=field)
    return at


async def find(call: Call[types.MessageQuery, None]) -> types.MessagePage:
    """Newest first, filtered."""
    return await call.platform.messages.find(call.actor, call.query)


async def get(call: Call[NoQuery, None]) -> types.MessageDetail:
    """Facts and deliveries."""
    return await call.platform.messages.get(call.actor, call.params["message"])


async def events(call: Call[NoQuery, None]) -> types.EventPage:
    """The timeline."""
    return await call.platform.messages.events(call.actor, call.params["message"])


async def explain(call: Call[NoQuery, None]) -> types.Explanation:
    """Each attempt, explained."""
    return await call.platform.messages.explain(call.actor, call.params["message"])


async def raw(call: Call[NoQuery, None]) -> Reply:
    """The stored bytes, as a download: no browser should render them."""
    name = call.params["message"]
    body = await call.platform.messages.raw(call.actor, name)
    disposition = f'attachment; filename="{name}.eml"'.encode()
    return Reply(body, media="message/rfc822", headers=((b"content-disposition", disposition),))


async def content(call: Call[NoQuery, None]) -> types.Content:
    """The parts a person reads, sanitised."""
    return await call.platform.messages.content(call.actor, call.params["message"])


async def cancel(call: Call[NoQuery, None]) -> types.MessageDetail:
    """Stop what has not left yet."""
    return await call.platform.messages.cancel(call.actor, call.params["message"])


async def release(call: Call[NoQuery, None]) -> types.MessageDetail:
    """Send what is held."""
    return await call.platform.messages.release(call.actor, call.params["message"])


async def release_held(call: Call[NoQuery, types.ReleaseHeld]) -> types.Released:
    """Send what is held, the oldest first."""
    return await call.platform.messages.release_held(call.actor, call.body)


async def reschedule(call: Call[NoQuery, types.Reschedule]) -> types.MessageDetail:
    """Another time for what has not left yet."""
    check_schedule(call.body.scheduled_at, call.now)
    return await call.platform.messages.reschedule(call.actor, call.params["message"], call.body)


async def resend(call: Call[NoQuery, None]) -> types.Accepted:
    """The same content again, as a new message, to the recipients that did not get it; to all when each did."""
    return await call.platform.messages.resend(call.actor, call.params["message"])


async def erase(call: Call[NoQuery, None]) -> None:
    """Before its time."""
    await call.platform.messages.erase(call.actor, call.params["message"])


_READ = RateClass.READ
_WRITE = RateClass.WRITE
_ONE = "/v1/messages/{message}"

OPERATIONS = [
    Operation(
        method="GET",
        path="/v1/messages",
        handler=find,
        permission=Permission.MESSAGE_READ,
        rate=_READ,
        name="listMessages",
        tag="messages",
        summary="List and search messages",
        query=types.MessageQuery,
        response=types.MessagePage,
        errors=("invalid_cursor",),
    ),
    Operation(
        method="GET",
        path=_ONE,
        handler=get,
        permission=Permission.MESSAGE_READ,
        rate=_READ,
        name="getMessage",
        tag="messages",
        summary="A message and its deliveries",
        response=types.MessageDetail,
    ),
    Operation(
        method="GET",
        path=_ONE + "/events",
        handler=events,
        permission=Permission.MESSAGE_READ,
        rate=_READ,
        name="listMessageEvents",
        tag="messages",
        summary="What happened to a message",
        response=types.EventPage,
    ),
    Operation(
        method="GET",
        path=_ONE + "/explain",
        handler=explain,
        permission=Permission.MESSAGE_READ,
        rate=_READ,
        name="explainMessage",
        tag="messages",
        summary="Why a message is where it is",
        description="Each attempt: the host and why it was chosen, the policy, the TLS, the dialogue without content, "
        "what the answer means, and when the next try comes.",
        response=types.Explanation,
    ),
    Operation(
        method="GET",
        path=_ONE + "/raw",
        handler=raw,
        permission=Permission.MESSAGE_CONTENT,
        rate=_READ,
        name="getRawMessage",
        tag="messages",
        summary="The message as it was stored",
        response_media="message/rfc822",
        errors=("content_gone", "message_redacted"),
    ),
    Operation(
        method="GET",
        path=_ONE + "/content",
        handler=content,
        permission=Permission.MESSAGE_CONTENT,
        rate=_READ,
        name="getMessageContent",
        tag="messages",
        summary="Text, sanitised HTML and attachments",
        response=types.Content,
        errors=("content_gone", "message_redacted"),
    ),
    Operation(
        method="POST",
        path=_ONE + "/cancel",
        handler=cancel,
        permission=Permission.MESSAGE_CHANGE,
        rate=_WRITE,
        name="cancelMessage",
        tag="messages",
        summary="Cancel what has not left yet",
        response=types.MessageDetail,
        errors=(
            "not_cancellable",
            "overtaken",
        ),
    ),
    Operation(
        method="POST",
        path=_ONE + "/release",
        handler=release,
        permission=Permission.MESSAGE_CHANGE,
        rate=_WRITE,
        name="releaseMessage",
        tag="messages",
        summary="Send a held message",
        description="At once, or at its scheduled time. Mail is held while sending is paused.",
        response=types.MessageDetail,
        errors=(
            "not_held",
            "overtaken",
        ),
    ),
    Operation(
        method="POST",
        path="/v1/messages/release-held",
        handler=release_held,
        permission=Permission.MESSAGE_CHANGE,
        rate=_WRITE,
        name="releaseHeldMessages",
        tag="messages",
        summary="Send what is held",
        description="At most 1000 messages a request, the oldest first; `more` says that some are left.",
        request=types.ReleaseHeld,
        response=types.Released,
    ),
    Operation(
        method="POST",
        path=_ONE + "/reschedule",
        handler=reschedule,
        permission=Permission.MESSAGE_CHANGE,
        rate=_WRITE,
        name="rescheduleMessage",
        tag="messages",
        summary="Send at another time",
        request=types.Reschedule,
        response=types.MessageDetail,
        errors=("not_reschedulable", "overtaken", "schedule_too_far", "schedule_in_the_past"),
    ),
    Operation(
        method="POST",
        path=_ONE + "/resend",
        handler=resend,
        permission=Permission.MESSAGE_SEND,
        rate=RateClass.SEND,
        name="resendMessage",
        tag="messages",
        summary="Send a message again",
        response=types.Accepted,
        status=202,
        errors=("content_gone", "message_redacted", "still_waiting"),
    ),
    Operation(
        method="DELETE",
        path=_ONE,
        handler=erase,
        permission=Permission.MESSAGE_ERASE,
        rate=_WRITE,
        name="eraseMessage",
        tag="messages",
        summary="Erase a message now",
        description="What waits is not sent any more. Every row and search token of the message goes at once, its "
        "webhook events too, and its stored content is overwritten where it lies. The audit log keeps its id.",
        status=204,
        errors=("message_under_way",),
    ),
]
