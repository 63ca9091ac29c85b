"""`mailward member`: the people of a workspace."""

from __future__ import annotations

from typing import Annotated, Literal

import cyclopts
from cyclopts import Parameter

from mailward.app.commands.output import Config, Json, Workspace, print_json, print_table
from mailward.app.context import Context, run
from mailward.app.store import Tx
from mailward.base.errors import NotFound
from mailward.base.ids import UserId
from mailward.core.identity import invitations, people, restrictions
from mailward.core.identity.model import Member
from mailward.policy.access import Role

app = cyclopts.App(name="member", help="People of a workspace.")

RoleName = Literal["member", "workspace_admin", "workspace_manager"]
InvitedAs = Annotated[
    str,
    Parameter(
        help="member, workspace_admin, workspace_manager, or the id of a role of the workspace's own (role_...)."
    ),
]


@app.command(name="list")
def list_(*, config: Config = None, workspace: Workspace = None, json: Json = False) -> int:
    """Who has a place in a workspace, the first to join first."""

    async def act(context: Context) -> int:
        found = await context.store.read(context.actor.workspace, lambda tx: people.list_members(tx, context.actor))
        head = ("id", "email", "name", "role")
        rows = [(m.user, m.email, m.name, m.role.value) for m in found]
        print_json([dict(zip(head, r, strict=True)) for r in rows]) if json else print_table(rows, head)
        return 0

    return run(config, workspace, act)


@app.command
def invite(email: str, *, role: InvitedAs = "member", config: Config = None, workspace: Workspace = None) -> int:
    """Make an invitation and print its link, for you to hand over: this command cannot mail."""

    async def act(context: Context) -> int:
        place, custom = invitations.offered(role)
        _, token = await context.store.write(
            context.actor.workspace,
            lambda tx: invitations.invite(
                tx, context.actor, email, place, custom=custom, now=context.clock.now(), entropy=context.entropy
            ),
        )
        print(f"{context.settings.http.public_url.rstrip('/')}/invitation/{token.reveal()}")
        return 0

    return run(config, workspace, act)


@app.command
def role(who: str, role: RoleName, *, config: Config = None, workspace: Workspace = None) -> int:
    """Give a person (address or id) another role, at once."""

    async def act(context: Context) -> int:
        async def verb(tx: Tx) -> Member:
            user = await _who(tx, context, who)
            return await people.change_role(tx, context.actor, user, Role(role), now=context.clock.now())

        changed = await context.store.write(context.actor.workspace, verb)
        print(f"{changed.user} is {changed.role.value} now.")
        return 0

    return run(config, workspace, act)


@app.command
def remove(who: str, *, config: Config = None, workspace: Workspace = None) -> int:
    """Take a person's place away, with their sessions here and the keys and invitations they made."""

    async def act(context: Context) -> int:
        async def verb(tx: Tx) -> UserId:
            user = await _who(tx, context, who)
            await people.remove_member(tx, context.actor, user, now=context.clock.now())
            return user

        print(f"{await context.store.write(context.actor.workspace, verb)} is removed.")
        return 0

    return run(config, workspace, act)


@app.command
def networks(
    *network: str,
    anywhere: Annotated[bool, Parameter(negative="", help="Lift the restriction.")] = False,
    config: Config = None,
    workspace: Workspace = None,
) -> int:
    """Where the workspace's people may come from: show it, or set it to the networks given."""

    async def act(context: Context) -> int:
        actor = context.actor
        if network or anywhere:
            found = await context.store.write(
                actor.workspace,
                lambda tx: restrictions.restrict_workspace(tx, actor, network, own=None, now=context.clock.now()),
            )
        else:
            found = await context.store.read(actor.workspace, lambda tx: restrictions.workspace_networks(tx, actor))
        print("\n".join(str(n) for n in found) or "anywhere")
        return 0

    return run(config, workspace, act)


@app.command
def free(who: str, *, config: Config = None, workspace: Workspace = None) -> int:
    """Let a person who locked themselves out with networks of their own come from anywhere again."""

    async def act(context: Context) -> int:
        async def verb(tx: Tx) -> UserId:
            user = await _who(tx, context, who)
            await restrictions.lift_person(tx, context.actor, user, now=context.clock.now())
            return user

        print(f"{await context.store.system_write(verb)} may come from anywhere.")
        return 0

    return run(config, workspace, act)


async def _who(tx: Tx, context: Context, who: str) -> UserId:
    for member in await tx.people.members(context.actor.workspace):
        if who in (member.user, member.email):
            return member.user
    raise NotFound("not_found", "There is no such member.")
