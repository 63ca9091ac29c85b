"""Roles a workspace makes itself."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from mailward.edges.web.schema.common import Request, View
from mailward.edges.web.schema.messages import Instant

Name = Annotated[str, Meta(min_length=1, max_length=100, examples=["Support"])]
Permissions = Annotated[
    list[Annotated[str, Meta(min_length=3, max_length=40, examples=["message.read"])]],
    Meta(min_length=1, max_length=50, description="Names of permissions, at most your own."),
]


class WriteRole(Request):
    """A name for some permissions."""

    name: Name
    permissions: Permissions


class GiveRole(Request):
    """Who gets it."""

    member: Annotated[str, Meta(min_length=1, max_length=64, description="The person's id, as in the list of members.")]


class CustomRole(View):
    """A role of the workspace's own."""

    id: str
    name: str
    permissions: list[str]
    created_at: Instant


class Roles(View):
    """By name."""

    data: list[CustomRole]
