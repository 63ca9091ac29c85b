# ruff: noqa: RUF012 - msgspec copies an empty default for each instance
"""Webhook endpoints, their secrets and their attempts."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from mailward.edges.web.schema.common import Request, View
from mailward.edges.web.schema.messages import Instant

EventType = Literal[
    "message.accepted",
    "message.delivered",
    "message.deferred",
    "message.bounced",
    "message.suppressed",
    "message.expired",
    "message.cancelled",
    "message.held",
    "message.complained",
]
Url = Annotated[
    str,
    Meta(
        min_length=10,
        max_length=2000,
        pattern=r"^https?://[A-Za-z0-9.:\[\]-]+(/[!-~]*)?$(?!\n)",
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
    enabled: bool | UnsetType = UNSET


class Webhook(View):
    """An endpoint."""

    id: str
    url: str
    events: list[str]
    description: str
    enabled: bool
    created_at: Instant
    disabled_reason: str | None = None


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
