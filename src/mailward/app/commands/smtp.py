"""`mailward smtp`: credentials for SMTP submission."""

from __future__ import annotations

import asyncio
from typing import Annotated

import cyclopts
from cyclopts import Parameter

from mailward.app.commands.keys import Domains, Expires, Networks, limits, release, revoke, rotate, state, wished
from mailward.app.commands.output import Config, Json, Workspace, print_facts, print_json, print_table
from mailward.app.context import Context, run
from mailward.core.identity import credentials
from mailward.policy.access import Scope

_IN_FORCE_SECONDS = 1.0

app = cyclopts.App(name="smtp", help="SMTP credentials.")


@app.command
def create(
    name: str,
    *,
    domain: Domains = None,
    network: Networks = None,
    expires: Expires = None,
    without_password: Annotated[
        bool, Parameter(negative="", help="The network is the credential (private listener only).")
    ] = False,
    config: Config = None,
    workspace: Workspace = None,
    json: Json = False,
) -> int:
    """Make a credential and print its password, this once."""

    async def act(context: Context) -> int:
        wish = wished(name, frozenset({Scope.SEND}), domain, network, expires, context.clock.now())
        make = credentials.create_network if without_password else credentials.create_smtp
        issued = await context.store.write(
            context.actor.workspace,
            lambda tx: make(tx, context.actor, wish, now=context.clock.now(), entropy=context.entropy),
        )
        # Workers are told of a source network, and look by themselves; when this returns, it is in force.
        if without_password:
            await asyncio.sleep(_IN_FORCE_SECONDS)
        facts = {"id": issued.credential.id, "name": issued.credential.name, "username": issued.credential.username}
        if issued.secret is not None:
            facts["password"] = issued.secret.reveal()
        print_json(facts) if json else print_facts(facts)
        return 0

    return run(config, workspace, act)


@app.command(name="list")
def list_(*, config: Config = None, workspace: Workspace = None, json: Json = False) -> int:
    """Credentials of a workspace, newest first."""

    async def act(context: Context) -> int:
        found = await context.store.read(
            context.actor.workspace, lambda tx: credentials.list_smtp(tx, context.actor, limit=1000)
        )
        now = context.clock.now()
        head = ("id", "name", "kind", "networks", "state")
        if json:
            listed = [(c.id, c.name, c.kind.value, list(map(str, c.networks)), state(c, now)) for c in found]
            print_json([dict(zip(head, r, strict=True)) | limits(c) for r, c in zip(listed, found, strict=True)])
        else:
            shown = [
                (c.id, c.name, c.kind.value, " ".join(map(str, c.networks)) or "any", state(c, now)) for c in found
            ]
            print_table(shown, head)
        return 0

    return run(config, workspace, act)


app.command(revoke)
app.command(rotate)
app.command(release)
