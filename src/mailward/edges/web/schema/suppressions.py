"""Suppressions: addresses this workspace no longer writes to."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from mailward.edges.web.schema.common import Cursor, Limit, Request, View
from mailward.edges.web.schema.messages import Instant

Reason = Literal["manual", "hard_bounce", "complaint", "unsubscribe", "imported"]
Email = Annotated[str, Meta(min_length=3, max_length=320, examples=["ada@example.com"])]


class SuppressionQuery(Request):
    """One page; `address` asks for one."""

    limit: Limit = 25
    cursor: Cursor | None = None
    address: Email | None = None
    search: Annotated[str, Meta(min_length=1, max_length=100, description="A part of the address.")] | None = None
    reason: Reason | None = None
    stream: Literal["transactional", "broadcast"] | None = None


class AddSuppression(Request):
    """Stop writing to an address, in one stream or (without `stream`) in all."""

    address: Email
    reason: Reason = "manual"
    stream: Literal["transactional", "broadcast"] | None = None


class RemoveQuery(Request):
    """Which address: every entry of it goes."""

    address: Email


class Suppression(View):
    """An entry."""

    address: str
    reason: str
    stream: str | None
    created_at: Instant
    source: str = ""
    id: str = ""


class SuppressionPage(View):
    """Entries, newest first."""

    data: list[Suppression]
    next_cursor: str | None = None


class Imported(View):
    """How many rows were added, known already, or refused (with the first reasons)."""

    added: int
    known: int
    refused: int
    reasons: list[str]
