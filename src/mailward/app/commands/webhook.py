"""`mailward webhook`: endpoints, what they were told, how it went, and telling them again."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Literal

import cyclopts
import structlog

from mailward.adapters.net.egress import GuardedHttp
from mailward.app.commands.moments import shown, typed
from mailward.app.commands.output import Config, Json, Limit, Workspace, print_facts, print_json, print_table
from mailward.app.context import Context, run
from mailward.app.platform.webhooks import Webhooks, reach
from mailward.core.webhooks.model import Result, Work
from mailward.edges.web.schema import webhooks as schema
from mailward.edges.web.schema.common import PageQuery
from mailward.edges.workers.webhooks import WebhookWorker
from mailward.policy.egress import networks
from mailward.protocol.dns import DnsQuery

app = cyclopts.App(name="webhook", help="Webhook endpoints.")


def _webhooks(context: Context) -> Webhooks:
    i = context.installation

    async def addresses(host: str) -> list[str]:
        found = await asyncio.gather(*(context.resolver.resolve(DnsQuery(host, kind)) for kind in ("A", "AAAA")))
        return [str(address) for answer in found if answer.status == "ok" for address in answer.records]

    async def post(work: Work) -> Result:
        http = GuardedHttp(addresses, allow_networks=networks(context.settings.endpoint_networks))
        worker = WebhookWorker(
            context.store, http, unseal=i.unseal_webhook, clock=i.clock, entropy=i.entropy, log=structlog.get_logger()
        )
        try:
            return await worker.probe(work)
        finally:
            await http.close()

    # The platform's own courier looks at the queue every second, so nothing has to be woken from here.
    return Webhooks(
        context.store, i.clock, i.entropy, i.seal_webhook, wake=lambda: None, post=post,
        reach=reach(context.settings),
    )  # fmt: skip


@app.command(name="list")
def list_(*, limit: Limit = 100, config: Config = None, workspace: Workspace = None, json: Json = False) -> int:
    """The endpoints of a workspace, newest first."""

    async def act(context: Context) -> int:
        page = await _webhooks(context).list(context.actor, PageQuery(limit=limit))
        if json:
            print_json(page)
        else:
            rows = [
                (w.id, "on" if w.enabled else "off", shown(w.failing_since) or "-", w.url, w.disabled_reason or "")
                for w in page.data
            ]
            print_table(rows, ("id", "state", "takes nothing since", "url", "disabled because"))
        return 0

    return run(config, workspace, act)


@app.command
def events(
    webhook: str,
    *,
    state: Literal["pending", "delivered", "failed", "cancelled"] | None = None,
    limit: Limit = 25,
    config: Config = None,
    workspace: Workspace = None,
    json: Json = False,
) -> int:
    """What an endpoint was or will be told, newest first."""

    async def act(context: Context) -> int:
        page = await _webhooks(context).events(context.actor, webhook, schema.ToldQuery(limit=limit, state=state))
        if json:
            print_json(page)
        else:
            rows = [(e.id, e.type, shown(e.at), e.state, e.attempts, shown(e.next_try_at)) for e in page.data]
            print_table(rows, ("id", "type", "happened", "state", "tries", "next try"))
        return 0

    return run(config, workspace, act)


@app.command
def attempts(
    webhook: str,
    *,
    event: str | None = None,
    limit: Limit = 25,
    config: Config = None,
    workspace: Workspace = None,
    json: Json = False,
) -> int:
    """What each try met, newest first; with --event those of one event."""

    async def act(context: Context) -> int:
        page = await _webhooks(context).attempts(context.actor, webhook, schema.AttemptQuery(limit=limit, event=event))
        if json:
            print_json(page)
        else:
            rows = [
                (shown(a.at), a.event, a.number, a.outcome, a.status or "-", f"{a.elapsed_ms} ms", a.response[:60])
                for a in page.data
            ]
            print_table(rows, ("at", "event", "try", "outcome", "status", "took", "answer"))
        return 0

    return run(config, workspace, act)


@app.command
def replay(
    webhook: str,
    *,
    event: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    all: bool = False,
    config: Config = None,
    workspace: Workspace = None,
    json: Json = False,
) -> int:
    """Post again: one --event, or what the endpoint never took of a time (all of it with --all). Times are UTC."""

    async def act(context: Context) -> int:
        asked = schema.StartReplay(event=event, since=typed(since), until=typed(until), only="all" if all else "failed")
        _print_replay(await _webhooks(context).replay(context.actor, webhook, asked), json=json)
        return 0

    return run(config, workspace, act)


@app.command
def progress(
    webhook: str, replay: str, *, config: Config = None, workspace: Workspace = None, json: Json = False
) -> int:
    """How far a replay is. Exits 1 while it is not finished."""

    async def act(context: Context) -> int:
        found = await _webhooks(context).replay_progress(context.actor, webhook, replay)
        _print_replay(found, json=json)
        return 0 if found.finished else 1

    return run(config, workspace, act)


def _print_replay(replay: schema.Replay, *, json: bool) -> None:
    if json:
        print_json(replay)
        return
    print_facts(
        {
            "replay": replay.id,
            "events": f"{replay.total}{' (and more: replay again)' if replay.more else ''}",
            "taken": replay.delivered,
            "waiting": replay.pending,
            "failed": replay.failed + replay.cancelled,
        }
    )


@app.command
def enable(webhook: str, *, config: Config = None, workspace: Workspace = None, json: Json = False) -> int:
    """Enable an endpoint: a test event is posted now, and it has to take it."""
    return _switch(webhook, True, config, workspace, json)


@app.command
def disable(webhook: str, *, config: Config = None, workspace: Workspace = None, json: Json = False) -> int:
    """Disable an endpoint; what waits for it ends."""
    return _switch(webhook, False, config, workspace, json)


def _switch(webhook: str, enabled: bool, config: str | None, workspace: str | None, json: bool) -> int:
    async def act(context: Context) -> int:
        changed = await _webhooks(context).change(context.actor, webhook, schema.ChangeWebhook(enabled=enabled))
        print_json(changed) if json else print(f"{changed.id}  {'on' if changed.enabled else 'off'}")
        return 0

    return run(config, workspace, act)
