"""`mailward tracking`: what is tracked of sent mail, and recipients who do not want it."""

from __future__ import annotations

from typing import Annotated, get_args

import cyclopts
from cyclopts import Parameter

from mailward.app.commands.output import Config, Json, Workspace, print_json, print_table
from mailward.app.context import Context, run
from mailward.app.platform.tracking import Tracking
from mailward.base.errors import Invalid
from mailward.edges.web.schema import tracking as schema

app = cyclopts.App(name="tracking", help="Opens and clicks: off unless somebody says otherwise.")

_MODES = (*get_args(schema.Mode), "inherit")
Mode = Annotated[str, Parameter(help=f"One of {', '.join(_MODES)}.")]


def _show(found: schema.TrackingSettings, *, json: bool) -> None:
    if json:
        print_json(found)
        return
    print(f"workspace: {found.workspace or found.default}")
    for stream, mode in found.streams.items():
        print(f"stream {stream}: {mode or 'as the domain says'}")
    print()
    rows = [
        (d.name, d.mode or "inherit", d.in_force["transactional"], d.in_force["broadcast"], d.missing or d.links_at)
        for d in found.domains
    ]
    print_table(rows, ("domain", "said", "transactional", "broadcast", "links begin at, or what is missing"))


@app.command
def show(*, config: Config = None, workspace: Workspace = None, json: Json = False) -> int:
    """What is said for the workspace, its streams and domains, and what it comes to."""

    async def act(context: Context) -> int:
        _show(await Tracking(context.installation).settings(context.actor), json=json)
        return 0

    return run(config, workspace, act)


@app.command(name="set")
def set_(
    mode: Mode,
    *,
    domain: Annotated[str | None, Parameter(help="For one domain, by name or id.")] = None,
    stream: Annotated[str | None, Parameter(help="For one stream: transactional or broadcast.")] = None,
    config: Config = None,
    workspace: Workspace = None,
    json: Json = False,
) -> int:
    """Say what is tracked of mail accepted from now on: for the workspace, or for one domain or stream of it."""

    async def act(context: Context) -> int:
        if mode not in _MODES or (domain and stream):
            raise Invalid("bad_mode", f"Give one of {', '.join(_MODES)}, and at most one of --domain and --stream.")
        tracking = Tracking(context.installation)
        said = None if mode == "inherit" else mode
        if domain:
            held = (await tracking.settings(context.actor)).domains
            ids = [d.id for d in held if domain in (d.id, d.name)] or [domain]
            request = schema.ChangeTracking(domains={ids[0]: said})  # type: ignore[dict-item]  # one of the modes
        elif stream:
            request = schema.ChangeTracking(streams={stream: said})  # type: ignore[dict-item]  # judged by the verb
        else:
            request = schema.ChangeTracking(workspace=said)  # type: ignore[arg-type]  # one of the modes
        _show(await tracking.change(context.actor, request), json=json)
        return 0

    return run(config, workspace, act)


@app.command(name="opt-out")
def opt_out(address: str, *, config: Config = None, workspace: Workspace = None, json: Json = False) -> int:
    """Track a recipient no more, in mail to come and in mail that was sent. Of the address only a hash is kept."""

    async def act(context: Context) -> int:
        done = await Tracking(context.installation).opt_out(context.actor, address)
        print_json(done) if json else print(f"{address} is not tracked any more.")
        return 0

    return run(config, workspace, act)


@app.command(name="opt-in")
def opt_in(address: str, *, config: Config = None, workspace: Workspace = None) -> int:
    """Take a recipient's opt-out back."""

    async def act(context: Context) -> int:
        await Tracking(context.installation).opt_in(context.actor, address)
        print(f"{address} may be tracked again.")
        return 0

    return run(config, workspace, act)
