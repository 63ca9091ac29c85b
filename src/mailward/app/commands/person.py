"""`mailward person`: people of the whole installation, for whoever holds the machine."""

from __future__ import annotations

import cyclopts

from mailward.app.commands.output import Config, Json, print_json, print_table
from mailward.app.context import Context, run
from mailward.app.store import Tx
from mailward.base.errors import NotFound
from mailward.core.identity import factors, people
from mailward.core.identity.model import User
from mailward.core.identity.sign_in import methods_of

app = cyclopts.App(name="person", help="People of the installation: what proves who they are, and ending it.")


@app.command(name="list")
def list_(*, config: Config = None, json: Json = False) -> int:
    """Everybody, with their second factors and how many sessions are open."""

    async def act(context: Context) -> int:
        now = context.clock.now()

        async def look(tx: Tx) -> list[tuple[str, str, str, int, str]]:
            rows = []
            for user in await tx.people.users():
                shown = ", ".join(sorted(methods_of(await tx.factors.of(user.id)) - {"recovery"}))
                live = sum(s.alive(now) for s in await tx.people.sessions(user.id))
                rows.append((user.email, user.name, shown, live, "disabled" if user.disabled else "active"))
            return rows

        head = ("email", "name", "factors", "sessions", "state")
        rows = await context.store.system_read(look)
        print_json([dict(zip(head, r, strict=True)) for r in rows]) if json else print_table(rows, head)
        return 0

    return run(config, None, act)


@app.command
def reset_factors(email: str, *, config: Config = None, json: Json = False) -> int:
    """Take away somebody's second factors, recovery codes and trusted devices, and end their sessions.

    For who lost phone and codes. Make sure, by another way than a letter, that it is them:
    afterwards their password alone signs them in.
    """

    async def act(context: Context) -> int:
        async def verb(tx: Tx) -> int:
            return await factors.reset(tx, context.actor, await _person(tx, email), now=context.clock.now())

        return _said(json, email, "factors", await context.store.system_write(verb))

    return run(config, None, act)


@app.command
def sign_out(email: str, *, config: Config = None, json: Json = False) -> int:
    """End all of somebody's sessions, everywhere."""

    async def act(context: Context) -> int:
        async def verb(tx: Tx) -> int:
            return await factors.sign_out(tx, context.actor, await _person(tx, email), now=context.clock.now())

        return _said(json, email, "sessions", await context.store.system_write(verb))

    return run(config, None, act)


@app.command
def disable(email: str, *, config: Config = None, json: Json = False) -> int:
    """End somebody's access to the whole installation."""

    async def act(context: Context) -> int:
        async def verb(tx: Tx) -> int:
            user, now = await _person(tx, email), context.clock.now()
            ended = await factors.sign_out(tx, context.actor, user, now=now)
            await people.disable_user(tx, context.actor, user.id, now=now)
            return ended

        return _said(json, email, "sessions", await context.store.system_write(verb))

    return run(config, None, act)


async def _person(tx: Tx, email: str) -> User:
    found = await tx.people.user_by_email(email.strip())
    if found is None:
        raise NotFound("not_found", "Nobody has this address.")
    return found


def _said(json: bool, email: str, what: str, count: int) -> int:
    print_json({"email": email, f"{what}_ended": count}) if json else print(f"{email}: {count} {what} ended")
    return 0
