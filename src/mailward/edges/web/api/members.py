"""People of the workspace: who they are, who is invited, and where they may come from."""

from __future__ import annotations

from mailward.edges.web.limits import RateClass
from mailward.edges.web.routes import Call, Operation
from mailward.edges.web.schema import members as types
from mailward.edges.web.schema.common import NoQuery
from mailward.policy.access import Permission


async def list_members(call: Call[NoQuery, None]) -> types.Members:
    """Everybody."""
    return await call.platform.members.list(call.actor)


async def change_member(call: Call[NoQuery, types.ChangeMember]) -> types.Member:
    """Another role."""
    return await call.platform.members.change(call.actor, call.params["member"], call.body)


async def remove_member(call: Call[NoQuery, None]) -> None:
    """The place is gone."""
    await call.platform.members.remove(call.actor, call.params["member"])


async def list_invitations(call: Call[NoQuery, None]) -> types.Invitations:
    """Newest first."""
    return await call.platform.members.invitations(call.actor)


async def invite(call: Call[NoQuery, types.Invite]) -> types.Invitation:
    """Mailed, not shown."""
    return await call.platform.members.invite(call.actor, call.body)


async def resend(call: Call[NoQuery, None]) -> types.Invitation:
    """Mailed again, with another link."""
    return await call.platform.members.resend(call.actor, call.params["invitation"])


async def revoke(call: Call[NoQuery, None]) -> None:
    """The link stops working."""
    await call.platform.members.revoke_invitation(call.actor, call.params["invitation"])


async def networks(call: Call[NoQuery, None]) -> types.Networks:
    """The list in force."""
    return await call.platform.members.networks(call.actor)


async def change_networks(call: Call[NoQuery, types.ChangeNetworks]) -> types.Networks:
    """Another list."""
    return await call.platform.members.change_networks(call.actor, call.body)


OPERATIONS = [
    Operation(
        method="GET",
        path="/v1/members",
        handler=list_members,
        permission=Permission.MEMBER_READ,
        rate=RateClass.READ,
        name="listMembers",
        tag="members",
        summary="List the people of the workspace",
        response=types.Members,
    ),
    Operation(
        method="PATCH",
        path="/v1/members/{member}",
        handler=change_member,
        permission=Permission.MEMBER_CHANGE,
        rate=RateClass.WRITE,
        name="changeMember",
        tag="members",
        summary="Give a person another role",
        description="Holds at once: their sessions here end. Nobody gives a role above their own; the last Workspace "
        "Manager keeps theirs. Keys and invitations that somebody who is lowered made are revoked.",
        request=types.ChangeMember,
        response=types.Member,
        errors=("last_manager",),
    ),
    Operation(
        method="DELETE",
        path="/v1/members/{member}",
        handler=remove_member,
        permission=Permission.MEMBER_CHANGE,
        rate=RateClass.WRITE,
        name="removeMember",
        tag="members",
        summary="Remove a person",
        description="Their sessions, and the keys, SMTP credentials and invitations they made here, end at once.",
        status=204,
        errors=("last_manager",),
    ),
    Operation(
        method="GET",
        path="/v1/invitations",
        handler=list_invitations,
        permission=Permission.MEMBER_READ,
        rate=RateClass.READ,
        name="listInvitations",
        tag="members",
        summary="List invitations",
        response=types.Invitations,
    ),
    Operation(
        method="POST",
        path="/v1/invitations",
        handler=invite,
        permission=Permission.MEMBER_CHANGE,
        rate=RateClass.WRITE,
        name="invite",
        tag="members",
        summary="Invite an address",
        description="A link that works once, for seven days, is mailed to the address; no answer holds it. "
        "The role may be one of the workspace's own: name its id.",
        request=types.Invite,
        response=types.Invitation,
        status=201,
        errors=("already_member", "already_invited", "no_sender"),
    ),
    Operation(
        method="POST",
        path="/v1/invitations/{invitation}/resend",
        handler=resend,
        permission=Permission.MEMBER_CHANGE,
        rate=RateClass.WRITE,
        name="resendInvitation",
        tag="members",
        summary="Mail an invitation again",
        description="With another link and seven new days; the one before stops working. Once in five minutes.",
        response=types.Invitation,
        errors=("invitation_over", "already_invited", "no_sender"),
    ),
    Operation(
        method="DELETE",
        path="/v1/invitations/{invitation}",
        handler=revoke,
        permission=Permission.MEMBER_CHANGE,
        rate=RateClass.WRITE,
        name="revokeInvitation",
        tag="members",
        summary="Withdraw an invitation",
        status=204,
        errors=("invitation_over",),
    ),
    Operation(
        method="GET",
        path="/v1/workspace/networks",
        handler=networks,
        permission=Permission.WORKSPACE_READ,
        rate=RateClass.READ,
        name="getNetworks",
        tag="members",
        summary="Where the workspace's people may come from",
        response=types.Networks,
    ),
    Operation(
        method="PUT",
        path="/v1/workspace/networks",
        handler=change_networks,
        permission=Permission.WORKSPACE_CHANGE,
        rate=RateClass.WRITE,
        name="changeNetworks",
        tag="members",
        summary="Change where the workspace's people may come from",
        description="Holds for sign-ins and for sessions that are open. An empty list lifts the restriction.",
        request=types.ChangeNetworks,
        response=types.Networks,
    ),
]
