"""`mailward workspace`: the workspace's own settings."""

from __future__ import annotations

from typing import Annotated

import cyclopts
from cyclopts import Parameter
from msgspec import UNSET, UnsetType

from mailward.app.commands.output import Config, Json, Workspace, print_facts, print_json, print_table
from mailward.app.context import Context, run, workspaces
from mailward.app.platform.workspace import Workspaces
from mailward.app.retention import default_terms
from mailward.base.errors import Invalid
from mailward.edges.web.schema import workspace as schema

app = cyclopts.App(name="workspace", help="Workspaces and their settings.")

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
