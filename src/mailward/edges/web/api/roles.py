"""Roles of a workspace's own: some permissions under a name, given to members."""

from __future__ import annotations

from mailward.edges.web.limits import RateClass
from mailward.edges.web.routes import Call, Operation
from mailward.edges.web.schema import members, roles
from mailward.edges.web.schema.common import NoQuery
from mailward.policy.access import Permission


async def list_roles(call: Call[NoQuery, None]) -> roles.Roles:
    """By name."""
    return await call.platform.roles.list(call.actor)


async def create_role(call: Call[NoQuery, roles.WriteRole]) -> roles.CustomRole:
    """A new one."""
    return await call.platform.roles.create(call.actor, call.body)


async def change_role(call: Call[NoQuery, roles.WriteRole]) -> roles.CustomRole:
    """Another name and other permissions."""
    return await call.platform.roles.change(call.actor, call.params["role"], call.body)


async def remove_role(call: Call[NoQuery, None]) -> None:
    """Out of the list."""
    await call.platform.roles.remove(call.actor, call.params["role"])


async def give_role(call: Call[NoQuery, roles.GiveRole]) -> members.Member:
    """In place of what the person has."""
    return await call.platform.roles.give(call.actor, call.params["role"], call.body)


OPERATIONS = [
    Operation(
        method="GET",
        path="/v1/roles",
        handler=list_roles,
        permission=Permission.MEMBER_READ,
        rate=RateClass.READ,
        name="listRoles",
        tag="members",
        summary="List the workspace's own roles",
        response=roles.Roles,
    ),
    Operation(
        method="POST",
        path="/v1/roles",
        handler=create_role,
        permission=Permission.ROLE_CHANGE,
        rate=RateClass.WRITE,
        name="createRole",
        tag="members",
        summary="Make a role",
        description="A role holds the permissions it lists and nothing else; nobody makes one beyond their own.",
        request=roles.WriteRole,
        response=roles.CustomRole,
        status=201,
        errors=("bad_permissions", "bad_name", "role_exists", "too_many_roles"),
        example={"name": "Support", "permissions": ["message.read", "suppression.read"]},
    ),
    Operation(
        method="PUT",
        path="/v1/roles/{role}",
        handler=change_role,
        permission=Permission.ROLE_CHANGE,
        rate=RateClass.WRITE,
        name="changeRole",
        tag="members",
        summary="Change a role",
        description="Holds for its members at once. When it loses a permission, keys its members made are revoked.",
        request=roles.WriteRole,
        response=roles.CustomRole,
        errors=("not_found", "bad_permissions", "bad_name", "role_exists"),
    ),
    Operation(
        method="DELETE",
        path="/v1/roles/{role}",
        handler=remove_role,
        permission=Permission.ROLE_CHANGE,
        rate=RateClass.WRITE,
        name="removeRole",
        tag="members",
        summary="Remove a role that nobody has",
        status=204,
        errors=("not_found", "role_in_use"),
    ),
    Operation(
        method="POST",
        path="/v1/roles/{role}/holders",
        handler=give_role,
        permission=Permission.MEMBER_CHANGE,
        rate=RateClass.WRITE,
        name="giveRole",
        tag="members",
        summary="Give a role to a member",
        description="In place of the role they have; their sessions here end. `changeMember` gives another one again.",
        request=roles.GiveRole,
        response=members.Member,
        errors=("not_found", "last_manager"),
    ),
]
