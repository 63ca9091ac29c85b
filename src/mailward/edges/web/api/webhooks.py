"""Webhook endpoints: made, changed, tested, and what each try met."""

from __future__ import annotations

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


async def attempts(call: Call[PageQuery, None]) -> types.AttemptPage:
    """Newest first."""
    return await call.platform.webhooks.attempts(call.actor, call.params["webhook"], call.query)


async def rotate_secret(call: Call[NoQuery, None]) -> types.NewWebhook:
    """The endpoint with its new secret."""
    return await call.platform.webhooks.rotate_secret(call.actor, call.params["webhook"])


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
        request=types.ChangeWebhook,
        response=types.Webhook,
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
        query=PageQuery,
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
]
