"""`mailward domain`: domains, the records to publish, and what DNS shows in their place."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Annotated

import cyclopts
from cyclopts import Parameter

from mailward.app.commands.output import Config, Json, Limit, Workspace, print_json, print_table
from mailward.app.context import Context, run
from mailward.app.naming import installation_names
from mailward.app.platform.domains import Domains
from mailward.app.platform.transfers import Transfers
from mailward.app.signing import make_keys
from mailward.base.ids import WorkspaceId
from mailward.core.domains.keys import FreshKeys
from mailward.core.domains.records import OPTIONAL, installation_records
from mailward.core.domains.release import release_domain
from mailward.core.webhooks.enqueue import tell
from mailward.edges.web.schema import domains as schema
from mailward.edges.web.schema.common import PageQuery

app = cyclopts.App(name="domain", help="Sending domains.")

_UNKNOWN_OR_GOOD = frozenset({"ok", "missing", "unchecked", "temporary"})


def _domains(context: Context) -> Domains:
    async def fresh(workspace: WorkspaceId) -> FreshKeys:
        return await asyncio.to_thread(make_keys, context.installation.vault, workspace)

    names = installation_names(context.settings)
    return Domains(context.store, context.clock, context.entropy, context.resolver, names, fresh)


def exit_code(detail: schema.DomainDetail) -> int:
    """0 when the domain may send and no record is wrong; else 1. A recommended record that is missing is no error."""
    may_send = detail.status in ("verified", "capture_only")
    required = all(r.state == "ok" for r in detail.records if r.required)
    return 0 if may_send and required and all(r.state in _UNKNOWN_OR_GOOD for r in detail.records) else 1


def show(detail: schema.DomainDetail, *, json: bool) -> None:
    """The domain, then each record with its zone-file line, what was found and what to do."""
    if json:
        print_json(detail)
        return
    print(f"{detail.name}  {detail.status}  {detail.id}")
    if detail.status == "capture_only":
        print("\nNothing to publish: this name belongs to capture mode, and mail from it stays on this machine.")
        return
    if (aligned := detail.alignment) is not None:
        said = {True: "aligned", False: "not aligned"}
        print(f"DKIM {said[aligned.dkim]}, SPF {said[aligned.spf]}, DMARC policy: {aligned.policy or 'no record seen'}")
    for record in detail.records:
        need = "required" if record.required else "optional" if record.purpose in OPTIONAL else "recommended"
        print(f"\n{record.state:<10} {record.purpose} ({need})\n  expected  {record.zone_line}")
        if record.state != "unchecked":
            for value in record.found or ["nothing"]:
                print(f"  found     {value}")
        if record.hint:
            print(f"  {record.hint}")


@app.command
def add(
    name: str, *, subdomains: bool = False, config: Config = None, workspace: Workspace = None, json: Json = False
) -> int:
    """Add a domain and print the records to publish. With --subdomains, names below it may send, too."""

    async def act(context: Context) -> int:
        request = schema.AddDomain(name=name, subdomains=subdomains)
        show(await _domains(context).add(context.actor, request), json=json)
        return 0

    return run(config, workspace, act)


@app.command(name="list")
def list_(*, limit: Limit = 100, config: Config = None, workspace: Workspace = None, json: Json = False) -> int:
    """The domains of a workspace, newest first."""

    async def act(context: Context) -> int:
        page = await _domains(context).list(context.actor, PageQuery(limit=limit))
        if json:
            print_json(page)
        else:
            rows = [(d.name, d.status, d.checked_at or "never", d.id) for d in page.data]
            print_table(rows, ("domain", "status", "checked", "id"))
        return 0

    return run(config, workspace, act)


@app.command
def check(name: str, *, config: Config = None, workspace: Workspace = None, json: Json = False) -> int:
    """Look at DNS now and print each record found against expected. Exits 1 unless the domain may send as it is."""

    async def act(context: Context) -> int:
        detail = await _domains(context).check(context.actor, name)
        show(detail, json=json)
        return exit_code(detail)

    return run(config, workspace, act)


@app.command
def rotate(name: str, *, config: Config = None, workspace: Workspace = None, json: Json = False) -> int:
    """Make new keys and print their records. The old ones sign until DNS shows the new, and verify a week longer."""

    async def act(context: Context) -> int:
        show(await _domains(context).rotate(context.actor, name), json=json)
        return 0

    return run(config, workspace, act)


@app.command
def release(
    name: str,
    *,
    from_: Annotated[str, Parameter(name="--from", help="The workspace that holds it.")],
    yes: Annotated[bool, Parameter(name="--yes", negative="", help="Do it.")] = False,
    config: Config = None,
) -> int:
    """Take a verified domain away from a workspace, so that its owner can prove it in another one.

    Its keys are destroyed and nothing more is sent from it. Nobody gets it by this: whoever
    claims it publishes the token of their own workspace and has it checked.
    """

    async def act(context: Context) -> int:
        holder = context.actor.workspace
        if not yes:
            print(f"This removes {name} and its signing keys from {holder}. Say --yes to do it.")
            return 1
        operator = replace(context.actor, workspace=WorkspaceId(""))
        now = context.clock.now()
        released = await context.store.system_write(lambda tx: release_domain(tx, operator, holder, name, now=now))
        data = {"domain": released.id, "name": released.name, "by": "the installation's operator"}
        at = int(now.timestamp() * 1_000_000)
        await context.store.write(holder, lambda tx: tell(tx, [("domain.released", released.id, at, data)]))
        print(f"{released.name} is no longer held by {holder}. Its owner can now have it checked elsewhere.")
        return 0

    return run(config, from_, act)


@app.command
def transfer(
    name: Annotated[str | None, Parameter(help="The domain to ask for; without it, list.")] = None,
    *,
    grant: Annotated[str | None, Parameter(name="--grant", help="Id of a transfer to grant.")] = None,
    refuse: Annotated[str | None, Parameter(name="--refuse", help="Id of a transfer to refuse.")] = None,
    operator: Annotated[
        bool, Parameter(name="--operator", negative="", help="Decide for a holder who did not answer for a week.")
    ] = False,
    config: Config = None,
    workspace: Workspace = None,
    json: Json = False,
) -> int:
    """Ask for a domain another workspace holds, list what is asked, or decide. Granting drops its keys and routes."""

    async def act(context: Context) -> int:
        names = installation_names(context.settings)
        area = Transfers(context.store, context.clock, context.entropy, context.resolver, names)
        if id := grant or refuse:
            actor = replace(context.actor, workspace=WorkspaceId("")) if operator else context.actor
            await area.decide(actor, id, id == grant)
            print(f"{id} is {'granted' if id == grant else 'refused'}.")
            return 0
        found = [await area.ask(context.actor, name)] if name else (await area.list(context.actor)).data
        if json:
            print_json(found)
        else:
            rows = [(t.name, t.direction, t.status, t.asked_at.isoformat(timespec="minutes"), t.id) for t in found]
            print_table(rows, ("domain", "direction", "status", "asked", "id"))
        return 0

    return run(config, workspace, act)


@app.command
def installation(*, config: Config = None, json: Json = False) -> int:
    """The records the operator publishes once, which every customer's SPF and return path point at."""

    async def act(context: Context) -> int:
        records = installation_records(installation_names(context.settings))
        if json:
            print_json({"data": records})
        else:
            for record in records:
                print(record.zone_line)
        return 0

    return run(config, None, act)
