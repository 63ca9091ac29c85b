"""`mailward certificate`: what the listeners show, and where the next one comes from."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import cyclopts

from mailward.app.commands.output import Config, Json, print_facts, print_json, print_table
from mailward.app.context import Context, run
from mailward.base.errors import Unavailable
from mailward.base.ids import WorkspaceId
from mailward.policy.access import Actor

app = cyclopts.App(name="certificate", help="Certificates of the listeners.")


@app.command(name="list")
def list_(*, config: Config = None, json: Json = False) -> int:
    """Every certificate that an authority issued, newest first; the first of them is served."""

    async def act(context: Context) -> int:
        found = await context.store.system_read(lambda tx: tx.certificates.all())
        now = context.clock.now()
        rows = [
            {
                "serial": c.serial,
                "names": list(c.names),
                "issued": c.issued,
                "expires": c.expires,
                "state": "expired" if c.expires <= now else "served" if c is found[0] else "replaced",
            }
            for c in found
        ]
        if json:
            print_json(rows)
            return 0
        print_table(
            [(c.serial, r["state"], _day(c.issued), _day(c.expires), " ".join(c.names))
             for r, c in zip(rows, found, strict=True)],
            ("serial", "state", "issued", "expires", "names"),
        )  # fmt: skip
        return 0

    return run(config, None, act)


@app.command
def show(*, config: Config = None, json: Json = False) -> int:
    """The certificate in force, where it comes from, when the next is ordered, and why the last order failed."""

    async def act(context: Context) -> int:
        from mailward.app.shown_certificate import facts as facts_of

        facts = await facts_of(context.store, context.settings, context.clock.now())
        if json:
            print_json(facts)
        else:
            print_facts(facts)
        return 0

    return run(config, None, act)


@app.command
def order(*, config: Config = None, json: Json = False) -> int:
    """Order a certificate now if there is none, or if its time has come, whatever pause a failure left."""
    return _order(config, json, always=False)


@app.command
def renew(*, config: Config = None, json: Json = False) -> int:
    """Order a new certificate now, with a new key. For http-01 the platform has to run: it answers the authority."""
    return _order(config, json, always=True)


def _order(config: str | None, json: bool, *, always: bool) -> int:
    async def act(context: Context) -> int:
        from mailward.adapters.net.acme_authority import OrderFailed
        from mailward.app.renewal import Renewal

        acme = context.settings.tls.acme
        if not acme.directory:
            raise Unavailable("no_authority", "No authority is set: see tls.acme.directory.")
        renewal = Renewal(context.installation, Actor(WorkspaceId(""), context.actor.kind, context.actor.id))
        if not always and not await renewal.due(paused=False):
            _say(json, {"ordered": False}, "Nothing to do: the certificate covers all names and is not due.")
            return 0
        try:
            made = await renewal.order()
        except OrderFailed as e:
            _say(json, {"ordered": False, "why": str(e)}, f"No certificate: {e}")
            return 1
        said = {"ordered": True, "serial": made.serial, "names": list(made.names), "expires": made.expires}
        _say(json, said, f"Certificate {made.serial} for {' '.join(made.names)}, until {_day(made.expires)}.")
        return 0

    return run(config, None, act)


def _say(json: bool, value: dict[str, Any], line: str) -> None:
    if json:
        print_json(value)
    else:
        print(line)


def _day(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M")
