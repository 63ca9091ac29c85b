# ruff: noqa: RUF012 - msgspec copies an empty default for each instance
"""Webhook endpoints, their secrets and their attempts."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from mailward.edges.web.schema.common import PageQuery, Request, View
from mailward.edges.web.schema.messages import Instant

EventType = Literal[
    "message.accepted",
    "message.scheduled",
    "message.held",
    "message.released",
    "message.cancelled",
    "message.suppressed",
    "message.delivered",
    "message.deferred",
    "message.bounced",
    "message.expired",
    "message.discarded",
    "message.complained",
    "message.opened",
    "message.clicked",
    "domain.verified",
    "domain.drifted",
    "domain.failing",
    "domain.released",
    "endpoint.disabled",
    "route.disabled",
]
Url = Annotated[
    str,
    Meta(
        min_length=10,
        max_length=2000,
        pattern=r"^https?://[^\s/?#@\\]+(/[!-~]*)?$(?!\n)",
        description="An https address with a path in ASCII, without user, password and fragment.",
        examples=["https://example.com/hooks/mail"],
    ),
]
Types = Annotated[
    list[EventType], Meta(max_length=20, description="Empty means every type.", examples=[["message.delivered"]])
]


class CreateWebhook(Request):
    """Where to tell what."""

    url: Url
    events: Types = []
    description: Annotated[str, Meta(max_length=200)] = ""


class ChangeWebhook(Request):
    """Only the fields given change."""

    url: Url | UnsetType = UNSET
    events: Types | UnsetType = UNSET
    description: Annotated[str, Meta(max_length=200)] | UnsetType = UNSET
    enabled: (
        Annotated[bool, Meta(description="Enabling posts a test event first, which the endpoint has to take.")]
        | UnsetType
    ) = UNSET


class Webhook(View):
    """An endpoint."""

    id: str
    url: str
    events: list[str]
    description: str
    enabled: bool
    created_at: Instant
    disabled_reason: str | None = None
    disabled_at: Instant | None = None
    failing_since: Annotated[
        Instant | None, Meta(description="When the first attempt failed after which none was taken.")
    ] = None
    owner_told: Annotated[
        Literal["due", "mailed", "not mailed"] | None,
        Meta(description="Whether the owner was mailed that the platform disabled it; null when it did not."),
    ] = None


class NewWebhook(Webhook):
    """An endpoint with its signing secret, shown this once."""

    secret: str = ""


class WebhookPage(View):
    """Endpoints, newest first."""

    data: list[Webhook]
    next_cursor: str | None = None


class TestQueued(View):
    """A test event is on its way; its attempt will be listed."""

    event: str


class WebhookAttempt(View):
    """One try to tell an endpoint."""

    id: str
    event: str
    type: str
    at: Instant
    number: int
    outcome: str
    status: int | None
    elapsed_ms: int
    response: str
    next_try_at: Instant | None = None


class AttemptPage(View):
    """Tries, newest first."""

    data: list[WebhookAttempt]
    next_cursor: str | None = None


class AttemptQuery(PageQuery):
    """Tries of every event, or of one."""

    event: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^evt_[a-z0-9]+$(?!\n)")] | None = None


ToldState = Literal["pending", "delivered", "failed", "cancelled"]


class ToldQuery(PageQuery):
    """Events of an endpoint, by where they stand."""

    state: ToldState | None = None


class WebhookEvent(View):
    """An event as one endpoint knows it. `id` is what requests carry as `webhook-id`."""

    id: str
    type: str
    at: Instant
    state: ToldState
    attempts: int
    next_try_at: Instant | None = None


class WebhookEventPage(View):
    """Events, newest first."""

    data: list[WebhookEvent]
    next_cursor: str | None = None


class WebhookEventDetail(WebhookEvent):
    """The same with the JSON that is posted."""

    payload: dict[str, Any] = {}


class StartReplay(Request):
    """What to post again: one event, or those of a span of time. With no field: all that failed and is still kept."""

    event: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^evt_[a-z0-9]+$(?!\n)")] | None = None
    since: Instant | None = None
    until: Instant | None = None
    only: Annotated[Literal["failed", "all"], Meta(description="`failed`: what the endpoint never confirmed.")] = (
        "failed"
    )


class Replay(View):
    """A replay and how far it is. Events keep their ids, so a receiver can tell those it has seen."""

    id: str
    webhook: str
    created_at: Instant
    since: Instant
    until: Instant
    only: Literal["failed", "all"]
    total: int
    pending: int
    delivered: int
    failed: int
    cancelled: int
    finished: bool
    more: Annotated[bool, Meta(description="The bound of 10000 events was reached: ask again for the rest.")]


class ReplayPage(View):
    """Replays, newest first."""

    data: list[Replay]
    next_cursor: str | None = None
