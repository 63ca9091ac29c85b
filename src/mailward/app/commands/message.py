"""`mailward message`: what became of messages, on the command line."""

from __future__ import annotations

import sys
from typing import Literal

import cyclopts

from mailward.app.commands.output import Config, Grant, Json, Limit, Workspace, print_facts, print_json, print_table
from mailward.app.context import Context, run
from mailward.app.shell_reading import messages_for
from mailward.base.errors import Invalid, NotFound
from mailward.edges.web.schema import messages as schema

app = cyclopts.App(name="message", help="Messages.")


@app.command(name="list")
def list_(
    *, limit: Limit = 25, grant: Grant = None, config: Config = None, workspace: Workspace = None, json: Json = False
) -> int:
    """The newest messages of a workspace."""

    async def act(context: Context) -> int:
        area, actor = await messages_for(context, grant, "list of messages", "")
        page = await area.find(actor, schema.MessageQuery(limit=limit))
        if json:
            print_json(page)
        else:
            rows = [(m.id, m.status, m.created_at.isoformat(timespec="seconds"), m.to, m.subject) for m in page.data]
            print_table(rows, ("id", "status", "accepted", "to", "subject"))
        return 0

    return run(config, workspace, act)


@app.command
def explain(
    message: str | None = None,
    /,
    *,
    grant: Grant = None,
    config: Config = None,
    workspace: Workspace = None,
    json: Json = False,
) -> int:
    """Why a message is where it is: every attempt, the MX and why, TLS, the dialogue, the class, the next try.

    Without an id, the newest message of the workspace.
    """

    async def act(context: Context) -> int:
        id = message or await _newest(context, grant)
        area, actor = await messages_for(context, grant, "explanation of a message", id)
        why = await area.explain(actor, id)
        if json:
            print_json(why)
            return 0
        print(f"{why.id}  {why.status}\n{why.summary}")
        for delivery in why.deliveries:
            print(f"\n{delivery.recipient}  {delivery.status}" + (f"  ({delivery.reason})" if delivery.reason else ""))
            if delivery.meaning:
                print(f"  {delivery.meaning}")
            if delivery.next_try_at is not None:
                print(f"  Next try: {delivery.next_try_at.isoformat(timespec='seconds')}")
            for attempt in delivery.attempts:
                _print_attempt(attempt)
        return 0

    return run(config, workspace, act)


async def _newest(context: Context, grant: str | None) -> str:
    area, actor = await messages_for(context, grant, "list of messages", "")
    page = await area.find(actor, schema.MessageQuery(limit=1))
    if not page.data:
        raise NotFound("not_found", "There is no message yet.")
    return page.data[0].id


@app.command
def release(
    message: str | None = None,
    /,
    *,
    all: bool = False,
    stream: Literal["transactional", "broadcast"] | None = None,
    config: Config = None,
    workspace: Workspace = None,
    json: Json = False,
) -> int:
    """Send a held message; with --all everything that is held, or what is held of one --stream."""

    async def act(context: Context) -> int:
        if (message is None) is not all:
            raise Invalid("one_or_all", "Name one message, or say --all.")
        if message is not None:
            detail = await context.messages.release(context.actor, message)
            print_json(detail) if json else print(f"{detail.id}  {detail.status}")
            return 0
        done, more = 0, True
        while more:
            step = await context.messages.release_held(context.actor, schema.ReleaseHeld(stream=stream))
            done, more = done + step.released, step.more
        print_json({"released": done}) if json else print(f"{done} released")
        return 0

    return run(config, workspace, act)


@app.command
def cancel(message: str, *, config: Config = None, workspace: Workspace = None, json: Json = False) -> int:
    """Stop what has not left yet."""

    async def act(context: Context) -> int:
        detail = await context.messages.cancel(context.actor, message)
        print_json(detail) if json else print(f"{detail.id}  {detail.status}")
        return 0

    return run(config, workspace, act)


@app.command
def pause(
    *,
    stream: Literal["transactional", "broadcast"] | None = None,
    reason: str = "",
    config: Config = None,
    workspace: Workspace = None,
    json: Json = False,
) -> int:
    """Hold new mail of a workspace, or of one --stream of it. It is accepted, and waits to be released."""

    async def act(context: Context) -> int:
        request = schema.PauseSending(stream=stream, reason=reason)
        _print_sending(await context.messages.pause(context.actor, request), json=json)
        return 0

    return run(config, workspace, act)


@app.command
def resume(
    *,
    stream: Literal["transactional", "broadcast"] | None = None,
    config: Config = None,
    workspace: Workspace = None,
    json: Json = False,
) -> int:
    """Send new mail again. What is held stays held: see `release --all`."""

    async def act(context: Context) -> int:
        request = schema.ResumeSending(stream=stream)
        _print_sending(await context.messages.resume(context.actor, request), json=json)
        return 0

    return run(config, workspace, act)


def _print_sending(sending: schema.Sending, *, json: bool) -> None:
    if json:
        print_json(sending)
        return
    for p in sending.paused:
        since = p.since.isoformat(timespec="seconds")
        print(f"paused: {p.stream or 'every stream'}, since {since}  {p.reason}".rstrip())
    if not sending.paused:
        print("sending")
    if sending.held:
        print("some messages are held")


def _answer(attempt: schema.Attempt) -> str:
    """Code, enhanced status and text; a server's own text begins with the status already."""
    enhanced = "" if attempt.text.startswith(attempt.enhanced) else attempt.enhanced
    return " ".join(part for part in (str(attempt.code or ""), enhanced, attempt.text) if part)


def _print_attempt(attempt: schema.Attempt) -> None:
    print(f"  try {attempt.number} at {attempt.at.isoformat(timespec='milliseconds')}: {attempt.outcome}")
    facts = {
        "    host": f"{attempt.host} [{attempt.ip}]" if attempt.host else "none",
        "    why": attempt.why_host,
        "    policy": attempt.policy,
        "    tls": ", ".join(f"{k} {v}" for k, v in attempt.tls.items()) or "none",
        "    signed": ", ".join(attempt.signed) or "no",
        "    rewritten": "; ".join(attempt.rewritten),
        "    answer": _answer(attempt),
        "    class": attempt.reason,
        "    took": f"{attempt.elapsed_ms} ms",
    }
    if attempt.next_try_at is not None:
        facts["    next try"] = attempt.next_try_at.isoformat(timespec="seconds")
    print_facts({k: v for k, v in facts.items() if v})
    for line in attempt.dialogue:
        for text in line.line.splitlines():
            print(f"      {line.at_ms:>5} ms {line.side}: {text}")


@app.command
def erase(message: str, *, config: Config = None, workspace: Workspace = None) -> int:
    """Erase a message now: what is known of it at once, its content where it lies. The audit log keeps its id."""

    async def act(context: Context) -> int:
        await context.messages.erase(context.actor, message)
        print(f"{message} is erased.")
        return 0

    return run(config, workspace, act)


@app.command
def raw(message: str, *, grant: Grant = None, config: Config = None, workspace: Workspace = None) -> int:
    """The stored bytes of a message on standard output. The read is in the audit log."""

    async def act(context: Context) -> int:
        area, actor = await messages_for(context, grant, "content of a message", message)
        sys.stdout.buffer.write(await area.raw(actor, message))
        return 0

    return run(config, workspace, act)
