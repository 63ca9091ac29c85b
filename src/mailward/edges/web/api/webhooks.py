"""Webhook endpoints: made, changed, tested, and what each try met."""

from __future__ import annotations

from mailward.base.errors import Invalid
from mailward.edges.web.limits import RateClass
from mailward.edges.web.routes import Call, Operation
from mailward.edges.web.schema import webhooks as types
from mailward.edges.web.schema.common import NoQuery, PageQuery
from mailward.policy.access import Permission


async def create(call: Call[NoQuery, types.CreateWebhook]) -> types.NewWebhook:
    """An endpoint with its secret."""
    return await call.platform.webhooks.create(call.actor, call.body)


async def find(call: Call[PageQuery, None]) -> types.WebhookPage:
    """Newest first."""
    return await call.platform.webhooks.list(call.actor, call.query)


async def get(call: Call[NoQuery, None]) -> types.Webhook:
    """Without its secret."""
    return await call.platform.webhooks.get(call.actor, call.params["webhook"])


async def change(call: Call[NoQuery, types.ChangeWebhook]) -> types.Webhook:
    """Only the fields given change."""
    return await call.platform.webhooks.change(call.actor, call.params["webhook"], call.body)


async def remove(call: Call[NoQuery, None]) -> None:
    """It is told nothing more."""
    await call.platform.webhooks.remove(call.actor, call.params["webhook"])


async def test(call: Call[NoQuery, None]) -> types.TestQueued:
    """A test event on its way."""
    return await call.platform.webhooks.test(call.actor, call.params["webhook"])


async def attempts(call: Call[types.AttemptQuery, None]) -> types.AttemptPage:
    """Newest first."""
    return await call.platform.webhooks.attempts(call.actor, call.params["webhook"], call.query)


async def rotate_secret(call: Call[NoQuery, None]) -> types.NewWebhook:
    """The endpoint with its new secret."""
    return await call.platform.webhooks.rotate_secret(call.actor, call.params["webhook"])


async def events(call: Call[types.ToldQuery, None]) -> types.WebhookEventPage:
    """Newest first."""
    return await call.platform.webhooks.events(call.actor, call.params["webhook"], call.query)


async def one_event(call: Call[NoQuery, None]) -> types.WebhookEventDetail:
    """With what is posted."""
    return await call.platform.webhooks.event(call.actor, call.params["webhook"], call.params["event"])


async def start_replay(call: Call[NoQuery, types.StartReplay]) -> types.Replay:
    """Post again."""
    asked = call.body
    if asked.event is not None and (asked.since is not None or asked.until is not None):
        raise Invalid("invalid_field", "Name one event, or a span of time, not both.", field="event")
    return await call.platform.webhooks.replay(call.actor, call.params["webhook"], asked)


async def replays(call: Call[PageQuery, None]) -> types.ReplayPage:
    """Newest first."""
    return await call.platform.webhooks.replays(call.actor, call.params["webhook"], call.query)


async def replay_progress(call: Call[NoQuery, None]) -> types.Replay:
    """How far it is."""
    return await call.platform.webhooks.replay_progress(call.actor, call.params["webhook"], call.params["replay"])


_ONE = "/v1/webhooks/{webhook}"

OPERATIONS = [
    Operation(
        method="POST",
        path="/v1/webhooks",
        handler=create,
        permission=Permission.WEBHOOK_CHANGE,
        rate=RateClass.WRITE,
        name="createWebhook",
        tag="webhooks",
        summary="Add an endpoint",
        description="Requests are signed as Standard Webhooks asks; the secret is in this answer and nowhere else.",
        request=types.CreateWebhook,
        response=types.NewWebhook,
        status=201,
        errors=("conflict",),
    ),
    Operation(
        method="GET",
        path="/v1/webhooks",
        handler=find,
        permission=Permission.WEBHOOK_READ,
        rate=RateClass.READ,
        name="listWebhooks",
        tag="webhooks",
        summary="List endpoints",
        query=PageQuery,
        response=types.WebhookPage,
        errors=("invalid_cursor",),
    ),
    Operation(
        method="GET",
        path="/v1/webhooks/{webhook}",
        handler=get,
        permission=Permission.WEBHOOK_READ,
        rate=RateClass.READ,
        name="getWebhook",
        tag="webhooks",
        summary="An endpoint",
        response=types.Webhook,
    ),
    Operation(
        method="PATCH",
        path="/v1/webhooks/{webhook}",
        handler=change,
        permission=Permission.WEBHOOK_CHANGE,
        rate=RateClass.WRITE,
        name="changeWebhook",
        tag="webhooks",
        summary="Change an endpoint",
        description="Enabling one posts a test event first: unless the endpoint takes it, it stays disabled (409).",
        request=types.ChangeWebhook,
        response=types.Webhook,
        errors=("webhook_not_answering",),
    ),
    Operation(
        method="DELETE",
        path="/v1/webhooks/{webhook}",
        handler=remove,
        permission=Permission.WEBHOOK_CHANGE,
        rate=RateClass.WRITE,
        name="removeWebhook",
        tag="webhooks",
        summary="Remove an endpoint",
        status=204,
    ),
    Operation(
        method="POST",
        path="/v1/webhooks/{webhook}/test",
        handler=test,
        permission=Permission.WEBHOOK_CHANGE,
        rate=RateClass.WRITE,
        name="testWebhook",
        tag="webhooks",
        summary="Send a test event",
        response=types.TestQueued,
        status=202,
        errors=("conflict",),
    ),
    Operation(
        method="GET",
        path="/v1/webhooks/{webhook}/attempts",
        handler=attempts,
        permission=Permission.WEBHOOK_READ,
        rate=RateClass.READ,
        name="listWebhookAttempts",
        tag="webhooks",
        summary="What each try met",
        query=types.AttemptQuery,
        response=types.AttemptPage,
        errors=("invalid_cursor",),
    ),
    Operation(
        method="POST",
        path="/v1/webhooks/{webhook}/rotate-secret",
        handler=rotate_secret,
        permission=Permission.WEBHOOK_CHANGE,
        rate=RateClass.WRITE,
        name="rotateWebhookSecret",
        tag="webhooks",
        summary="Replace the signing secret",
        description="For a day both secrets sign, so that no event is lost while you change yours.",
        response=types.NewWebhook,
    ),
    Operation(
        method="GET",
        path=_ONE + "/events",
        handler=events,
        permission=Permission.WEBHOOK_READ,
        rate=RateClass.READ,
        name="listWebhookEvents",
        tag="webhooks",
        summary="What an endpoint was or will be told",
        query=types.ToldQuery,
        response=types.WebhookEventPage,
        errors=("invalid_cursor",),
    ),
    Operation(
        method="GET",
        path=_ONE + "/events/{event}",
        handler=one_event,
        permission=Permission.WEBHOOK_READ,
        rate=RateClass.READ,
        name="getWebhookEvent",
        tag="webhooks",
        summary="One event with the JSON that is posted",
        response=types.WebhookEventDetail,
    ),
    Operation(
        method="POST",
        path=_ONE + "/replays",
        handler=start_replay,
        permission=Permission.WEBHOOK_CHANGE,
        rate=RateClass.WRITE,
        name="replayWebhookEvents",
        tag="webhooks",
        summary="Post events again",
        description="One event, a span of time, or all that failed; at most 10000 at a time, 20 a second, "
        "each under the id it had before.",
        request=types.StartReplay,
        response=types.Replay,
        status=202,
        errors=("conflict",),
    ),
    Operation(
        method="GET",
        path=_ONE + "/replays",
        handler=replays,
        permission=Permission.WEBHOOK_READ,
        rate=RateClass.READ,
        name="listWebhookReplays",
        tag="webhooks",
        summary="Replays and how far they are",
        query=PageQuery,
        response=types.ReplayPage,
        errors=("invalid_cursor",),
    ),
    Operation(
        method="GET",
        path=_ONE + "/replays/{replay}",
        handler=replay_progress,
        permission=Permission.WEBHOOK_READ,
        rate=RateClass.READ,
        name="getWebhookReplay",
        tag="webhooks",
        summary="How far a replay is",
        response=types.Replay,
    ),
]
