"""`mailward register` and `mailward report`: what the operator states in public, and reports of weaknesses."""

from __future__ import annotations

import sys
from typing import Annotated

import cyclopts
import msgspec
from cyclopts import Parameter

from mailward.app.commands.output import Config, Json, print_json, print_table
from mailward.app.context import Context, run
from mailward.app.public.keys import ReportSeal
from mailward.base.ids import WorkspaceId
from mailward.core.availability.record import post, update
from mailward.core.disclosure.intake import move, open_report
from mailward.core.disclosure.model import ReportState
from mailward.core.registers.change import put, read_fields, remove
from mailward.core.registers.model import TYPES, Kind, overdue, title, words
from mailward.policy.access import Actor

register = cyclopts.App(
    name="register",
    help="Registers: subprocessors, regions, requests, statements, rewards, thanks, reviews, advisories.",
)
report = cyclopts.App(name="report", help="Reports of weaknesses, and their answers.")
status = cyclopts.App(name="status", help="What the status page says about incidents.")

_OPERATOR = Actor(WorkspaceId(""), "cli", "cli")
Facts = Annotated[list[str], Parameter(negative="", help="name=value, as often as needed")]


def _facts(given: list[str]) -> dict[str, str]:
    return {name: value for name, _, value in (text.partition("=") for text in given)}


@register.command(name="list")
def list_(kind: Kind | None = None, *, config: Config = None, json: Json = False) -> int:
    """Every entry, of one kind or of all; what is overdue is marked."""

    async def act(context: Context) -> int:
        found = await context.store.system_read(lambda tx: tx.registers.entries(kind))
        today = context.clock.now().date()
        if json:
            print_json([{"id": e.id, "kind": e.kind, **msgspec.to_builtins(e.fields)} for e in found])
            return 0
        rows = [
            (e.id, e.kind.value, title(e.fields), ", ".join(o.what for o in overdue(e, today)) or "-") for e in found
        ]
        print_table(rows, ("id", "kind", "what", "overdue"))
        return 0

    return run(config, None, act)


@register.command
def add(kind: Kind, facts: Facts, *, config: Config = None) -> int:
    """Add an entry: `mailward register add subprocessor name=... purpose=... place=...`."""
    return _put(kind, facts, "", config)


@register.command
def change(id: str, facts: Facts, *, config: Config = None) -> int:
    """Change fields of an entry; those not named stay."""
    return _put(None, facts, id, config)


def _put(kind: Kind | None, facts: list[str], id: str, config: str | None) -> int:
    async def act(context: Context) -> int:
        now = context.clock.now()
        given = _facts(facts)
        wanted = kind
        if id:
            entry = await context.store.system_read(lambda tx: tx.registers.entry(id))
            if entry is None:
                print("mailward: there is no such entry", file=sys.stderr)
                return 1
            wanted = entry.kind
            given = words(entry.fields) | given
        assert wanted is not None
        fields = read_fields(wanted, given, today=now.date())
        chosen = wanted
        made = await context.store.system_write(
            lambda tx: put(tx, _OPERATOR, chosen, fields, id=id, now=now, entropy=context.entropy)
        )
        print(made.id)
        return 0

    return run(config, None, act)


@register.command(name="remove")
def remove_(id: str, *, config: Config = None) -> int:
    """Strike an entry."""

    async def act(context: Context) -> int:
        now = context.clock.now()
        await context.store.system_write(lambda tx: remove(tx, _OPERATOR, id, now=now, entropy=context.entropy))
        return 0

    return run(config, None, act)


@register.command
def fields(kind: Kind, *, json: Json = False) -> int:
    """The fields of a kind; a star marks those that have to be said."""
    if json:
        print_json([{"name": f.name, "required": f.required} for f in msgspec.structs.fields(TYPES[kind])])
        return 0
    for field in msgspec.structs.fields(TYPES[kind]):
        print(field.name + (" *" if field.required else ""))
    return 0


@report.command(name="list")
def reports(*, config: Config = None, json: Json = False) -> int:
    """Reports, newest first; late acknowledgements are marked."""

    async def act(context: Context) -> int:
        now = context.clock.now()
        found = await context.store.system_read(lambda tx: tx.reports.newest(200))
        rows = [
            (
                r.id,
                r.state.value,
                f"{r.at:%Y-%m-%d %H:%M}",
                f"{r.due:%Y-%m-%d %H:%M}",
                "late" if r.overdue(now) else "-",
            )
            for r in found
        ]
        head = ("id", "state", "came", "acknowledge by", "late")
        if json:
            print_json([dict(zip(head, row, strict=True)) for row in rows])
        else:
            print_table(rows, head)
        return 0

    return run(config, None, act)


@report.command(name="show")
def show_report(id: str, *, config: Config = None) -> int:
    """Open a report; that is audited."""

    async def act(context: Context) -> int:
        now, seal = context.clock.now(), ReportSeal(context.installation)
        found, content = await context.store.system_write(lambda tx: open_report(tx, _OPERATOR, id, seal, now=now))
        print(f"{content.title}\n{found.state.value}, from {content.contact or 'nobody named'}\n\n{content.what}")
        for at, text in content.answers:
            print(f"\n{at:%Y-%m-%d %H:%M} answered:\n{text}")
        return 0

    return run(config, None, act)


@report.command
def answer(id: str, state: ReportState, text: str = "", *, config: Config = None) -> int:
    """Answer a report and say where it stands now."""

    async def act(context: Context) -> int:
        now, seal = context.clock.now(), ReportSeal(context.installation)
        await context.store.system_write(lambda tx: move(tx, _OPERATOR, id, state, text, seal, now=now))
        return 0

    return run(config, None, act)


@status.command(name="post")
def post_(title: str, text: str, *, config: Config = None) -> int:
    """Tell the public about an incident."""

    async def act(context: Context) -> int:
        now = context.clock.now()
        made = await context.store.system_write(
            lambda tx: post(tx, _OPERATOR, title, text, now=now, entropy=context.entropy)
        )
        print(made.id)
        return 0

    return run(config, None, act)


@status.command(name="update")
def update_(id: str, text: str, *, over: bool = False, config: Config = None) -> int:
    """Say more about it, and with --over that it has ended."""

    async def act(context: Context) -> int:
        now = context.clock.now()
        await context.store.system_write(lambda tx: update(tx, _OPERATOR, id, text, ended=over, now=now))
        return 0

    return run(config, None, act)
