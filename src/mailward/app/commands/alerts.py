"""`mailward alerts`: attacks on the platform that its rules recognised."""

from __future__ import annotations

import cyclopts

from mailward.app.commands.output import Config, Json, Limit, Workspace, print_json, print_table
from mailward.app.context import Context, run
from mailward.core.guard.acknowledge import acknowledge, acknowledge_ours
from mailward.core.guard.watching import list_alerts

app = cyclopts.App(name="alerts", help="Attacks on the platform that its rules recognised.")


@app.command(name="list")
def list_(*, limit: Limit = 50, config: Config = None, workspace: Workspace = None, json: Json = False) -> int:
    """Alerts of the installation and of every workspace, newest first; with --workspace of that one."""

    async def act(context: Context) -> int:
        if workspace is None:
            found = await context.store.system_read(lambda tx: list_alerts(tx, context.actor, limit=limit))
        else:
            scope = context.actor.workspace
            found = await context.store.read(scope, lambda tx: list_alerts(tx, context.actor, limit=limit))
        if json:
            print_json(
                [
                    {
                        "id": a.id, "at": a.at.isoformat(), "rule": a.rule, "severity": a.severity,
                        "workspace": a.workspace, "subject": a.subject, "why": a.sentence,
                        "acknowledged_at": a.acknowledged.isoformat() if a.acknowledged else None,
                        "acknowledged_by": a.acknowledged_by,
                    }
                    for a in found
                ]
            )  # fmt: skip
        else:
            rows = [
                (a.at.isoformat(timespec="seconds"), a.severity, a.rule, a.workspace or "", a.sentence) for a in found
            ]
            print_table(rows, ("when", "severity", "rule", "workspace", "why"))
        return 0

    return run(config, workspace, act)


@app.command(name="acknowledge")
def acknowledge_(alert: str, /, *, config: Config = None, workspace: Workspace = None, json: Json = False) -> int:
    """Note that an alert of the installation was seen; with --workspace one of that workspace."""

    async def act(context: Context) -> int:
        actor, now = context.actor, context.clock.now()
        if workspace is None:
            done = await context.store.system_write(lambda tx: acknowledge_ours(tx, actor, alert, now=now))
        else:
            done = await context.store.write(actor.workspace, lambda tx: acknowledge(tx, actor, alert, now=now))
        at = done.acknowledged.isoformat(timespec="seconds") if done.acknowledged else ""
        if json:
            print_json({"id": done.id, "acknowledged_at": at, "acknowledged_by": done.acknowledged_by})
        else:
            print(f"{done.id} was acknowledged at {at} by {done.acknowledged_by}")
        return 0

    return run(config, workspace, act)
