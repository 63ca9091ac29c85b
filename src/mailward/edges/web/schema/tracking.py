# ruff: noqa: RUF012 - msgspec copies an empty default for each instance
"""What is tracked of sent mail, and who does not want to be."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from mailward.edges.web.schema.common import Request, View
from mailward.edges.web.schema.messages import Instant
from mailward.edges.web.schema.suppressions import Email

Mode = Literal["off", "opens", "clicks", "both"]
Stream = Literal["transactional", "broadcast"]


class DomainTracking(View):
    """A domain: what is said for it (null: nothing), what that comes to by stream, and the host of its links.

    While `missing` is not empty nothing is tracked of its mail, whatever is said.
    """

    id: str
    name: str
    mode: Mode | None
    in_force: dict[str, Mode]
    links_at: str
    missing: str = ""


class TrackingSettings(View):
    """The narrowest that says something counts: the message, its stream, its domain, the workspace; else `default`."""

    default: Mode
    workspace: Mode | None
    streams: dict[str, Mode | None]
    domains: list[DomainTracking]


class ChangeTracking(Request):
    """Only what is given changes; null says nothing any more. Domains by their id."""

    workspace: Mode | UnsetType | None = UNSET
    streams: Annotated[dict[Stream, Mode | None], Meta(max_length=2, examples=[{"broadcast": "both"}])] = {}
    domains: Annotated[dict[str, Mode | None], Meta(max_length=100, examples=[{}])] = {}


class OptOutRequest(Request):
    """A recipient's address."""

    address: Email


class OptOutQuery(Request):
    """Whose opt-out to take back."""

    address: Email


class OptOut(View):
    """Whether a recipient is tracked by this workspace. The address is not kept, only a keyed hash of it."""

    address: str
    opted_out: bool
    since: Instant | None = None
