"""`mailward route` and `mailward received`: where received mail goes, what came, and handing it over again."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any, Literal

import cyclopts
import msgspec

from mailward.app.bodies import Bodies
from mailward.app.commands.moments import shown, typed
from mailward.app.commands.output import Config, Grant, Json, Limit, Workspace, print_facts, print_json, print_table
from mailward.app.context import Context, run
from mailward.app.objects import attachment_store
from mailward.app.platform.inbound import Inbound
from mailward.app.platform.webhooks import reach
from mailward.app.shell_reading import store_for
from mailward.edges.web.schema import inbound as schema
from mailward.edges.web.schema.common import PageQuery

route = cyclopts.App(name="route", help="Routes of received mail.")
received = cyclopts.App(name="received", help="Received mail.")


def _inbound(context: Context, store: Any = None) -> Inbound:
    i = context.installation
    store = context.store if store is None else store
    # The platform's own courier looks at the queue every second, so nothing has to be woken from here.
    return Inbound(
        store, Bodies(store, i.data_keys), i.clock, i.entropy, i.seal_webhook, wake=lambda: None,
        files=attachment_store(context.settings.attachments), reach=reach(context.settings),
    )  # fmt: skip


@route.command(name="list")
def list_routes(*, limit: Limit = 100, config: Config = None, workspace: Workspace = None, json: Json = False) -> int:
    """The routes of a workspace, newest first."""

    async def act(context: Context) -> int:
        page = await _inbound(context).routes(context.actor, PageQuery(limit=limit))
        if json:
            print_json(page)
        else:
            rows = [
                (r.id, "on" if r.enabled else "off", f"{r.pattern or '*'}@{r.domain}", r.kind, r.format, r.mode, r.url)
                for r in page.data
            ]
            print_table(rows, ("id", "state", "addresses", "kind", "form", "mode", "endpoint"))
        return 0

    return run(config, workspace, act)


@route.command
def add(
    domain: str,
    url: str,
    *,
    kind: schema.Kind = "catch_all",
    pattern: str = "",
    format: schema.Format = "mailward",
    mode: schema.Mode = "store",
    authorize_url: str = "",
    require_tls: bool = False,
    on_scanner_down: schema.OnScannerDown = "defer",
    attachments: schema.Where = "inline",
    signature: schema.Signature = "hmac",
    description: str = "",
    config: Config = None,
    workspace: Workspace = None,
    json: Json = False,
) -> int:
    """Send mail for addresses of a verified domain to an endpoint. The secret is printed this once."""
    asked = {
        "domain": domain, "url": url, "kind": kind, "pattern": pattern, "format": format, "mode": mode,
        "authorize_url": authorize_url, "require_tls": require_tls, "on_scanner_down": on_scanner_down,
        "attachments": attachments, "signature": signature, "description": description,
    }  # fmt: skip

    async def act(context: Context) -> int:
        try:
            request = msgspec.convert(asked, schema.CreateRoute)
        except msgspec.ValidationError as e:
            print(f"mailward: {e}", file=sys.stderr)
            return 2
        made = await _inbound(context).create_route(context.actor, request)
        if json:
            print_json(made)
        else:
            print_facts({"route": made.id, "secret": made.secret, "public key": made.public_key or "-"})
        return 0

    return run(config, workspace, act)


@route.command
def remove(id: str, *, config: Config = None, workspace: Workspace = None) -> int:
    """Remove a route: its addresses take no mail any more."""

    async def act(context: Context) -> int:
        await _inbound(context).remove_route(context.actor, id)
        return 0

    return run(config, workspace, act)


@route.command
def enable(id: str, *, config: Config = None, workspace: Workspace = None) -> int:
    """Turn a route on."""
    return _switch(id, True, config, workspace)


@route.command
def disable(id: str, *, config: Config = None, workspace: Workspace = None) -> int:
    """Turn a route off; what waits for it ends."""
    return _switch(id, False, config, workspace)


def _switch(id: str, enabled: bool, config: str | None, workspace: str | None) -> int:
    async def act(context: Context) -> int:
        changed = await _inbound(context).change_route(context.actor, id, schema.ChangeRoute(enabled=enabled))
        print(f"{changed.id}  {'on' if changed.enabled else 'off'}")
        return 0

    return run(config, workspace, act)


@route.command
def rotate(id: str, *, config: Config = None, workspace: Workspace = None, json: Json = False) -> int:
    """A new signing secret; for a day the old one signs beside it."""

    async def act(context: Context) -> int:
        made = await _inbound(context).rotate_secret(context.actor, id)
        if json:
            print_json(made)
        else:
            print_facts({"route": made.id, "secret": made.secret, "public key": made.public_key or "-"})
        return 0

    return run(config, workspace, act)


@route.command(name="replay")
def replay_route(
    id: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    all: bool = False,
    config: Config = None,
    workspace: Workspace = None,
    json: Json = False,
) -> int:
    """Hand over again what the endpoint never took of a time (all of it with --all). Times are UTC."""

    async def act(context: Context) -> int:
        asked = schema.ReplayRange(since=typed(since), until=typed(until), only="all" if all else "failed")
        found = await _inbound(context).replay_range(context.actor, id, asked)
        if json:
            print_json(found)
        else:
            more = " (and more: replay again)" if found.more else ""
            print_facts({"replay": found.id, "messages": f"{found.total}{more}", "waiting": found.waiting})
        return 0

    return run(config, workspace, act)


@received.command(name="list")
def list_received(
    *,
    route: str | None = None,
    state: schema.State | None = None,
    limit: Limit = 25,
    grant: Grant = None,
    config: Config = None,
    workspace: Workspace = None,
    json: Json = False,
) -> int:
    """What was received, newest first."""

    async def act(context: Context) -> int:
        query = schema.ReceivedQuery(limit=limit, route=route, state=state)
        store, actor = await store_for(context, grant, "list of received messages", "", content=False)
        page = await _inbound(context, store).find(actor, query)
        if json:
            print_json(page)
        else:
            rows = [
                (
                    m.id, shown(m.received_at), ", ".join(c.state for c in m.copies) or "no route", m.mail_from or "<>",
                    m.subject[:50], f"spf {m.spf} dkim {m.dkim} dmarc {m.dmarc}", m.tls_version or "clear",
                )
                for m in page.data
            ]  # fmt: skip
            print_table(rows, ("id", "received", "state", "from", "subject", "checks", "tls"))
        return 0

    return run(config, workspace, act)


@received.command
def attempts(
    message: str,
    *,
    limit: Limit = 25,
    grant: Grant = None,
    config: Config = None,
    workspace: Workspace = None,
    json: Json = False,
) -> int:
    """Each try to hand a message over, newest first."""

    async def act(context: Context) -> int:
        store, actor = await store_for(context, grant, "attempts to hand over", message, content=False)
        page = await _inbound(context, store).attempts(actor, message, PageQuery(limit=limit))
        if json:
            print_json(page)
        else:
            rows = [
                (shown(a.at), a.route, a.number, a.outcome, a.status or "-", f"{a.elapsed_ms} ms", a.response[:60])
                for a in page.data
            ]
            print_table(rows, ("at", "route", "try", "outcome", "status", "took", "answer"))
        return 0

    return run(config, workspace, act)


@received.command
def raw(message: str, *, grant: Grant = None, config: Config = None, workspace: Workspace = None) -> int:
    """Write a message to standard output, octet for octet as it came."""

    async def act(context: Context) -> int:
        store, actor = await store_for(context, grant, "content of a received message", message, content=True)
        sys.stdout.buffer.write(await _inbound(context, store).raw(actor, message))
        return 0

    return run(config, workspace, act)


@received.command
def replay(message: str, *, to: str | None = None, config: Config = None, workspace: Workspace = None) -> int:
    """Hand one message over again: to each route it has, or --to one."""

    async def act(context: Context) -> int:
        done = await _inbound(context).replay(context.actor, message, schema.ReplayMessage(route=to))
        print(f"{done.copies} on the way")
        return 0

    return run(config, workspace, act)


@received.command
def release(message: str, *, config: Config = None, workspace: Workspace = None) -> int:
    """Hand over what waits in quarantine."""
    return _end(message, "release", config, workspace)


@received.command
def discard(message: str, *, config: Config = None, workspace: Workspace = None) -> int:
    """Never hand over what waits in quarantine."""
    return _end(message, "discard", config, workspace)


def _end(message: str, act_: Literal["release", "discard"], config: str | None, workspace: str | None) -> int:
    async def act(context: Context) -> int:
        area = _inbound(context)
        done = await (area.release if act_ == "release" else area.discard)(context.actor, message)
        print(f"{done.copies} {'released' if act_ == 'release' else 'discarded'}")
        return 0

    return run(config, workspace, act)
