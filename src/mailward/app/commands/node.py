"""`mailward node`: the machines that share the database."""

from __future__ import annotations

import cyclopts

from mailward.app.commands.output import Config, Json, print_json, print_table
from mailward.app.context import Context, run
from mailward.base.errors import Conflict, NotFound, Unavailable
from mailward.core.nodes.ports import Nodes

app = cyclopts.App(name="node", help="The machines that share the database.")


def _nodes(context: Context) -> Nodes:
    nodes = context.store.nodes()
    if nodes is None:
        raise Unavailable("one_machine", "The embedded store is that of one machine: there are no other nodes.")
    return nodes


@app.command(name="list")
def list_(*, config: Config = None, json: Json = False) -> int:
    """Every node: its state (up, draining, stopped, gone), zone, roles, workers alive, and when it was seen last."""

    async def act(context: Context) -> int:
        found = await _nodes(context).known()
        if json:
            print_json([n._asdict() for n in found])
            return 0
        head = ("node", "state", "name", "zone", "version", "workers", "roles", "seen")
        rows = [
            (
                n.node,
                n.state,
                n.name,
                n.zone or "-",
                n.version,
                n.workers,
                " ".join(n.roles) or "-",
                f"{n.age:.0f} s ago",
            )
            for n in found
        ]
        print_table(rows, head)
        return 0

    return run(config, None, act)


@app.command
def drain(node: int, *, config: Config = None, json: Json = False) -> int:
    """Have a node take no new work: readyz says 503, it leases nothing and finishes what it has. Stop it afterwards."""
    return _rest(node, True, config, json)


@app.command
def resume(node: int, *, config: Config = None, json: Json = False) -> int:
    """Have a drained node take work again."""
    return _rest(node, False, config, json)


@app.command
def forget(node: int, *, config: Config = None) -> int:
    """Strike a node that is stopped or gone from the list. Its number is free then."""

    async def act(context: Context) -> int:
        if not await _nodes(context).forget(node):
            raise Conflict("node_alive", f"Node {node} is alive, or there is none with that number.")
        return 0

    return run(config, None, act)


def _rest(node: int, on: bool, config: str | None, json: bool) -> int:
    async def act(context: Context) -> int:
        if not await _nodes(context).rest(node, on):
            raise NotFound("not_found", f"There is no node {node}.")
        if json:
            print_json({"node": node, "draining": on})
        return 0

    return run(config, None, act)
