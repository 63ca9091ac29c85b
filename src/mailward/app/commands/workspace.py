"""`mailward workspace`: the workspace's own settings."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import cyclopts
from cyclopts import Parameter
from msgspec import UNSET, UnsetType

from mailward.app.commands.output import Config, Json, Workspace, print_facts, print_json, print_table
from mailward.app.context import Context, run, workspaces
from mailward.app.platform.workspace import Workspaces
from mailward.app.retention import default_terms
from mailward.base.errors import Invalid
from mailward.base.ids import WorkspaceId
from mailward.core.identity import invitations, people
from mailward.core.workspaces import change
from mailward.core.workspaces.ceilings import set_ceilings
from mailward.core.workspaces.model import Ceilings
from mailward.edges.web.schema import workspace as schema
from mailward.policy.access import Actor, Role

app = cyclopts.App(name="workspace", help="Workspaces and their settings.")
app.command("mailward.app.commands.redaction:redaction", name="redaction")

Limit = Annotated[str | None, Parameter(help='A number a minute, 0 for no limit, or "default".')]
Days = Annotated[str | None, Parameter(help='A number of days, or "default" for the installation\'s term.')]


@app.command(name="list")
def list_(*, config: Config = None, json: Json = False) -> int:
    """Every workspace, oldest first."""

    async def act(context: Context) -> int:
        found = await workspaces(context.store)
        if json:
            print_json([{"id": w.id, "name": w.name, "created_at": w.created} for w in found])
        else:
            print_table(
                [(w.id, w.name, w.created.isoformat(timespec="seconds")) for w in found], ("id", "name", "made")
            )
        return 0

    return run(config, None, act)


@app.command
def create(
    name: str,
    *,
    manager: Annotated[
        str | None, Parameter(help="Address of its first Workspace Manager: an invitation is made for it.")
    ] = None,
    config: Config = None,
    json: Json = False,
) -> int:
    """Make a workspace and print its id, and the link of its manager's invitation, for you to hand over.

    Without --manager nobody has a place in it yet: `mailward member invite --workspace ID` invites.
    """

    async def act(context: Context) -> int:
        now, entropy = context.clock.now(), context.entropy
        email = people.good_email(manager) if manager is not None else ""
        id = change.new_id(now, entropy)
        actor = replace(context.actor, workspace=id)
        made = await context.store.system_write(
            lambda tx: change.create(tx, actor, name, now=now, entropy=entropy, id=id)
        )
        facts = {"id": str(made.id), "name": made.name}
        if email:
            _, token = await context.store.write(
                id, lambda tx: invitations.invite(tx, actor, email, Role.MANAGER, now=now, entropy=entropy)
            )
            facts["invitation"] = f"{context.settings.http.public_url.rstrip('/')}/invitation/{token.reveal()}"
        print_json(facts) if json else print_facts(facts)
        return 0

    return run(config, None, act)


@app.command
def leaks(
    *,
    revoke: Annotated[bool | None, Parameter(name="--revoke", negative="--warn", help="What happens at once.")] = None,
    config: Config = None,
    workspace: Workspace = None,
    json: Json = False,
) -> int:
    """What happens to a key that somebody reports as leaked: --revoke it, or --warn its owner."""

    async def act(context: Context) -> int:
        actor = context.actor
        found = await context.store.read(actor.workspace, lambda tx: change.show(tx, actor))
        if revoke is not None:
            now = context.clock.now()
            found = await context.store.write(
                actor.workspace, lambda tx: change.change_leak_response(tx, actor, revoke, now=now)
            )
        word = "revoke" if found.settings.revoke_leaked else "warn"
        print_json({"leaked_keys": word}) if json else print_facts({"leaked keys": word})
        return 0

    return run(config, workspace, act)


@app.command
def limits(
    *,
    api: Limit = None,
    messages: Limit = None,
    config: Config = None,
    workspace: Workspace = None,
    json: Json = False,
) -> int:
    """How much a workspace may do in a minute, where that differs from the settings; with an option, change it."""

    async def act(context: Context) -> int:
        place = context.actor.workspace
        kept = await context.store.system_read(lambda tx: tx.ceilings.get(place))
        if api is not None or messages is not None:
            kept = Ceilings(
                kept.api if api is None else _limit(api, "api"),
                kept.messages if messages is None else _limit(messages, "messages"),
            )
            operator = Actor(WorkspaceId(""), "cli", "cli")
            now, wanted = context.clock.now(), kept
            await context.store.system_write(lambda tx: set_ceilings(tx, operator, place, wanted, now=now))
        facts = {"api": kept.api, "messages": kept.messages}
        if json:
            print_json(facts)
        else:
            print_facts({k: "default" if v is None else v or "none" for k, v in facts.items()})
        return 0

    return run(config, workspace, act)


def _limit(text: str, option: str) -> int | None:
    if text == "default":
        return None
    if not text.isdigit() or len(text) > 9:
        raise Invalid("bad_limit", "Write a number a minute, 0 for no limit, or default.", field=option)
    return int(text)


@app.command
def retention(
    *,
    messages_days: Days = None,
    content_days: Days = None,
    config: Config = None,
    workspace: Workspace = None,
    json: Json = False,
) -> int:
    """How long messages and their content are kept; with an option, change it. The change is in the audit log."""

    async def act(context: Context) -> int:
        area = Workspaces(context.store, context.clock, default_terms(context.settings))
        if messages_days is None and content_days is None:
            show(await area.retention(context.actor), json=json)
            return 0
        wanted = schema.ChangeRetention(
            messages_days=_days(messages_days, "messages-days"), content_days=_days(content_days, "content-days")
        )
        show(await area.change_retention(context.actor, wanted), json=json)
        return 0

    return run(config, workspace, act)


def show(kept: schema.Retention, *, json: bool) -> None:
    """The terms, and whether they are the workspace's own."""
    if json:
        print_json(kept)
        return
    own, installation = "the workspace's own", "the installation's"
    print_facts(
        {
            "messages": f"{kept.messages_days} days ({own if kept.own_messages_days else installation})",
            "content": f"{kept.content_days} days ({own if kept.own_content_days else installation})",
        }
    )


def _days(text: str | None, option: str) -> int | UnsetType | None:
    if text is None:
        return UNSET
    if text == "default":
        return None
    if not (text.isascii() and text.isdigit()):
        raise Invalid("bad_period", f'--{option} is a whole number of days, or "default".', field=option)
    return int(text)
