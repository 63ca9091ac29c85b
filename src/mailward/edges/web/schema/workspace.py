"""The workspace, its usage and its feed of events."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from mailward.edges.web.schema.common import Cursor, Limit, Request, View
from mailward.edges.web.schema.messages import Instant


class WorkspaceDetail(View):
    """The tenant this key belongs to."""

    id: str
    name: str
    status: str
    created_at: Instant


Days = Annotated[int, Meta(ge=1, le=3650, description="Days, counted from acceptance.")]


class Retention(View):
    """How long messages are kept: the terms in force, the workspace's own (null: it has none), the installation's."""

    messages_days: Days
    content_days: Days
    own_messages_days: int | None
    own_content_days: int | None
    default_messages_days: int
    default_content_days: int


class ChangeRetention(Request):
    """Only the fields given change; null means the installation's term. What a shorter term ends goes in minutes."""

    messages_days: Days | UnsetType | None = UNSET
    content_days: Days | UnsetType | None = UNSET


class UsageQuery(Request):
    """How many days back, today included."""

    days: Annotated[int, Meta(ge=1, le=90)] = 30


class UsageDay(View):
    """Counts of one UTC day by what was counted."""

    date: Annotated[str, Meta(examples=["2030-01-01"])]
    counts: dict[str, int]


class Usage(View):
    """Days in order."""

    data: list[UsageDay]


class EventQuery(Request):
    """Events of all messages, newest first."""

    limit: Limit = 25
    cursor: Cursor | None = None
    type: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-z_.]+$(?!\n)")] | None = None
    since: Instant | None = None
    until: Instant | None = None
