"""People of a workspace, invitations, and the networks they may come from."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from mailward.edges.web.schema.common import Request, View
from mailward.edges.web.schema.messages import Instant

RoleName = Literal["member", "workspace_admin", "workspace_manager"]
InvitedAs = Annotated[
    str,
    Meta(
        pattern="^(member|workspace_admin|workspace_manager|role_[0-9a-hjkmnp-tv-z]{26})$",
        description="member, workspace_admin, workspace_manager, or the id of a role of the workspace's own.",
        examples=["member"],
    ),
]
Network = Annotated[str, Meta(max_length=64, examples=["192.0.2.0/24"])]


class Member(View):
    """Somebody with a place in the workspace."""

    id: str
    email: str
    name: str
    role: str
    joined_at: Instant


class Members(View):
    """Everybody, the first to join first."""

    data: list[Member]


class ChangeMember(Request):
    """Another role. The person's sessions here end, and what they made is revoked when they are lowered."""

    role: RoleName


class Invite(Request):
    """Whom to invite, and as what. Nobody invites above themselves."""

    email: Annotated[str, Meta(min_length=3, max_length=254, examples=["new@example.com"])]
    role: InvitedAs = "member"


class Invitation(View):
    """An invitation; its link is in the mail only. `role` may be the id of a role of the workspace's own; `mailed` is
    false when no letter could be handed over."""

    id: str
    email: str
    role: str
    state: Annotated[str, Meta(description="open, accepted, revoked or expired", examples=["open"])]
    created_at: Instant
    sent_at: Instant
    expires_at: Instant
    mailed: bool = True


class Invitations(View):
    """The newest two hundred."""

    data: list[Invitation]


class Networks(View):
    """Where the workspace's people may come from; empty: from anywhere. Keys have networks of their own."""

    networks: list[str]


class ChangeNetworks(Request):
    """The whole list, in CIDR form; empty lifts the restriction."""

    networks: Annotated[list[Network], Meta(max_length=50)]
