"""`mailward operator`: who runs the installation, and their access to a customer's data by grants.

Every command but `list`, `add`, `end` and `file` says with --as which operator acts.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import cyclopts
from cyclopts import Parameter

from mailward.app.commands.output import Config, Json, print_facts, print_json, print_table
from mailward.app.context import Context, choose, run
from mailward.app.platform.operators import shown_operator
from mailward.app.shell_reading import operators
from mailward.base.errors import Invalid, NotFound
from mailward.base.ids import WorkspaceId
from mailward.core.operators import register
from mailward.core.operators.model import Ground, Reach, Wish
from mailward.edges.web.schema.access import AccessReview, OperatorAccess

app = cyclopts.App(name="operator", help="Operators of the installation, and their access by grants.")

As = Annotated[str, Parameter(name="--as", help="Address of the operator who acts.")]


async def _id(context: Context, email: str) -> Any:
    found = await context.store.system_read(lambda tx: tx.people.user_by_email(email.strip()))
    if found is None:
        raise NotFound("not_found", "There is no operator with this address.")
    return found.id


@app.command
def add(email: str, *, config: Config = None, json: Json = False) -> int:
    """Make a person with an account an operator. They need a second factor to sign in."""

    async def act(context: Context) -> int:
        now = context.clock.now()
        made = await context.store.system_write(lambda tx: register.add(tx, context.actor, email, now=now))
        shown = shown_operator(made, now)
        print_json(shown) if json else print(f"{made.email} is an operator. Missing: {', '.join(shown.missing)}.")
        return 0

    return run(config, None, act)


@app.command(name="list")
def list_(*, config: Config = None, json: Json = False) -> int:
    """Every operator, with what is on file of them."""

    async def act(context: Context) -> int:
        now = context.clock.now()
        found = [shown_operator(o, now) for o in await context.store.system_read(lambda tx: tx.operators.every())]
        if json:
            print_json(found)
            return 0
        rows = [
            (o.email, o.since.date(), f"ended {o.ended_at.date()}" if o.ended_at else "serves", ", ".join(o.missing))
            for o in found
        ]
        print_table(rows, ("operator", "since", "state", "missing"))
        return 0

    return run(config, None, act)


@app.command
def end(email: str, *, config: Config = None, json: Json = False) -> int:
    """Take the role away; grants the person asked for or approved end with it."""

    async def act(context: Context) -> int:
        id, now = await _id(context, email), context.clock.now()
        gone = await context.store.system_write(lambda tx: register.end(tx, context.actor, id, now=now))
        print_json({"ended": email, "grants_ended": gone}) if json else print(f"{email} is ended, {gone} grants too.")
        return 0

    return run(config, None, act)


@app.command
def file(
    email: str,
    what: Literal["confidentiality", "background", "training"],
    *,
    date: Annotated[str | None, Parameter(help="The day it was done (2026-11-21); today by default.")] = None,
    config: Config = None,
    json: Json = False,
) -> int:
    """Enter in an operator's register: confidentiality signed, background checked, trained (good for a year)."""

    async def act(context: Context) -> int:
        id, now = await _id(context, email), context.clock.now()
        at = now if date is None else _day(date)
        done = await context.store.system_write(lambda tx: register.note(tx, context.actor, id, what, at, now=now))
        shown = shown_operator(done, now)
        print_json(shown) if json else print(f"{email}: missing {', '.join(shown.missing) or 'nothing'}")
        return 0

    return run(config, None, act)


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise Invalid("bad_date", "A day is written 2026-11-21.", field="date") from None


@app.command
def request(
    workspace: str,
    what: Annotated[list[Reach], Parameter(help="metadata, content, configuration; several if needed.")],
    /,
    *,
    who: As,
    reason: str,
    ticket: str,
    legal: Annotated[str, Parameter(help="The legal ground, for content without the customer's permission.")] = "",
    minutes: int = 60,
    config: Config = None,
    json: Json = False,
) -> int:
    """Ask for access to a workspace. Another operator approves; alone, it may begin after a day."""

    async def act(context: Context) -> int:
        chosen = await choose(context.store, workspace)
        content = Reach.CONTENT in what
        ground = Ground.NONE if not content else Ground.LEGAL if legal else Ground.PERMISSION
        wish = Wish(reach=frozenset(what), reason=reason, ticket=ticket, ground=ground, legal=legal, minutes=minutes)
        _print(await operators(context).request(await _id(context, who), chosen, wish), json=json)
        return 0

    return run(config, None, act)


@app.command
def grants(*, config: Config = None, json: Json = False) -> int:
    """Grants of every workspace, newest first."""

    async def act(context: Context) -> int:
        from mailward.app.platform.access import shown_grant

        found = [shown_grant(g) for g in await context.store.system_read(lambda tx: tx.operators.grants(limit=50))]
        if json:
            print_json(found)
            return 0
        rows = [(g.id, g.state, g.operator, g.workspace, " ".join(g.what), g.ticket) for g in found]
        print_table(rows, ("grant", "state", "operator", "workspace", "what", "ticket"))
        return 0

    return run(config, None, act)


def _step(config: str | None, who: str, grant: str, verb: str, *, json: bool) -> int:
    async def act(context: Context) -> int:
        area = operators(context)
        _print(await getattr(area, verb)(await _id(context, who), grant), json=json)
        return 0

    return run(config, None, act)


@app.command
def approve(grant: str, *, who: As, config: Config = None, json: Json = False) -> int:
    """Let another operator's request through."""
    return _step(config, who, grant, "approve", json=json)


@app.command
def refuse(grant: str, *, who: As, config: Config = None, json: Json = False) -> int:
    """Turn another operator's request down."""
    return _step(config, who, grant, "refuse", json=json)


@app.command
def begin(grant: str, *, who: As, config: Config = None, json: Json = False) -> int:
    """Start the clock of your own grant. Then read with `mailward message ... --grant`."""
    return _step(config, who, grant, "begin", json=json)


@app.command
def revoke(grant: str, *, who: As, config: Config = None, json: Json = False) -> int:
    """End a grant, yours or another's."""
    return _step(config, who, grant, "end", json=json)


@app.command
def reviews(*, workspace: str | None = None, config: Config = None, json: Json = False) -> int:
    """Access reviews as evidence: of the operators, or of a --workspace."""

    async def act(context: Context) -> int:
        from mailward.app.platform.access import shown_review

        wanted = await choose(context.store, workspace) if workspace else ""
        found = await context.store.system_read(lambda tx: tx.reviews.page(limit=500))
        _print_reviews([shown_review(r) for r in found if r.workspace == wanted], json=json)
        return 0

    return run(config, None, act)


@app.command
def decide(
    review: str,
    item: str,
    decision: Literal["keep", "remove"],
    *,
    workspace: Annotated[str | None, Parameter(help="Workspace of the review; without it, one of operators.")] = None,
    config: Config = None,
    json: Json = False,
) -> int:
    """Decide on one item of an access review: `keep` or `remove`."""

    async def act(context: Context) -> int:
        if workspace is None:
            done = await operators(context).decide(context.actor, review, item, decision)
        else:
            done = await _decide_in(context, await choose(context.store, workspace), review, item, decision)
        _print_reviews([done], json=json)
        return 0

    return run(config, None, act)


@app.command(name="database-login")
def database_login(
    *,
    grant: Annotated[str, Parameter(help="A live grant.")] = "",
    admin: Annotated[
        str, Parameter(name="--admin-url-file", help="File with the URI of a database role that may make roles.")
    ],
    config: Config = None,
    json: Json = False,
) -> int:
    """Make a personal login to PostgreSQL that ends with the grant; without --grant, drop those that are over.

    It reads the facts of the grant's workspace and changes nothing. The password is shown this once.
    """

    try:
        url = Path(admin).read_text("utf-8").strip()
    except UnicodeDecodeError:
        raise Invalid("invalid_text", f"{admin} is not UTF-8 text.") from None

    async def act(context: Context) -> int:
        if context.settings.storage.kind != "postgres":
            raise Invalid("no_server", "The embedded store is an encrypted file: there is nothing to sign in to.")
        from mailward.app.database_logins import drop, make

        if not grant:
            print(f"{await drop(context, url)} logins dropped")
            return 0
        made = await make(context, url, grant)
        print_json(made) if json else print_facts(made)
        return 0

    return run(config, None, act)


async def _decide_in(context: Context, workspace: WorkspaceId, review: str, item: str, decision: Any) -> AccessReview:
    from mailward.app.context import cli_actor
    from mailward.app.platform.access import Access
    from mailward.edges.web.schema.access import DecideAccess

    area, actor = Access(context.store, context.clock), cli_actor(workspace, "operator decide")
    kind = next((i.kind for i in (await area.review(actor, review)).items if i.id == item), None)
    if kind is None:
        raise NotFound("not_found", "This is not part of the review.")
    return await area.decide(actor, review, DecideAccess(kind=kind, id=item, decision=decision))


def _print(g: OperatorAccess, *, json: bool) -> None:
    if json:
        print_json(g)
        return
    until = f", until {g.ends_at.isoformat(timespec='seconds')}" if g.ends_at and g.state == "live" else ""
    waits = f", not before {g.not_before.isoformat(timespec='seconds')}" if g.not_before else ""
    needs = ", waits for the customer's permission" if g.waits_for_permission else ""
    print(f"{g.id}  {g.state}{until}{waits}{needs}")


def _print_reviews(found: list[AccessReview], *, json: bool) -> None:
    if json:
        print_json(found)
        return
    for r in found:
        print(f"{r.id}  {r.quarter}  {'closed' if r.closed_at else 'open'}")
        print_table([(i.kind, i.id, i.name, i.outcome or "undecided") for i in r.items], ("what", "id", "", "outcome"))
