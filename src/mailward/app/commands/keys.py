"""`mailward key`: API keys."""

from __future__ import annotations

from typing import Annotated

import cyclopts
from cyclopts import Parameter

from mailward.app.commands.output import Config, Json, Workspace, print_facts, print_json, print_table
from mailward.app.context import Context, run
from mailward.core.identity import credentials
from mailward.core.identity.credentials import Wish
from mailward.policy.access import Scope

app = cyclopts.App(help="API keys.")


@app.command
def create(
    name: str,
    *,
    scope: Annotated[list[Scope] | None, Parameter(help="send, read or admin; several times if wished.")] = None,
    network: Annotated[list[str] | None, Parameter(help="Only from this network.")] = None,
    config: Config = None,
    workspace: Workspace = None,
    json: Json = False,
) -> int:
    """Make an API key and print its secret, this once. The scope is 'send' unless said otherwise."""

    async def act(context: Context) -> int:
        wish = Wish(name, frozenset(scope or [Scope.SEND]), networks=credentials.parse_networks(network or []))
        issued = await context.store.write(
            context.actor.workspace,
            lambda tx: credentials.create_key(
                tx, context.actor, wish, now=context.clock.now(), entropy=context.entropy
            ),
        )
        assert issued.secret is not None
        facts = {
            "id": issued.credential.id,
            "name": issued.credential.name,
            "scopes": sorted(s.value for s in issued.credential.scopes),
            "secret": issued.secret.reveal(),
        }
        print_json(facts) if json else print_facts(facts)
        return 0

    return run(config, workspace, act)


@app.command(name="list")
def list_(*, config: Config = None, workspace: Workspace = None, json: Json = False) -> int:
    """Keys of a workspace, newest first."""

    async def act(context: Context) -> int:
        found = await context.store.read(
            context.actor.workspace, lambda tx: credentials.list_keys(tx, context.actor, limit=1000)
        )
        rows = [(c.id, c.name, c.hint, " ".join(sorted(c.scopes)), "revoked" if c.revoked else "live") for c in found]
        head = ("id", "name", "hint", "scopes", "state")
        print_json([dict(zip(head, r, strict=True)) for r in rows]) if json else print_table(rows, head)
        return 0

    return run(config, workspace, act)


@app.command
def revoke(id: str, *, config: Config = None, workspace: Workspace = None) -> int:
    """End a key or an SMTP credential at once, on every worker."""

    async def act(context: Context) -> int:
        await context.store.write(
            context.actor.workspace,
            lambda tx: credentials.revoke_key(tx, context.actor, id, now=context.clock.now()),
        )
        print(f"{id} is revoked.")
        return 0

    return run(config, workspace, act)
