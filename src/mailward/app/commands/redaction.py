"""`mailward workspace redaction`: what of its mail a workspace does not want stored."""

from __future__ import annotations

import re
from typing import Annotated

from cyclopts import Parameter
from msgspec import UNSET, UnsetType

from mailward.app.commands.output import Config, Json, Workspace, print_facts, print_json
from mailward.app.context import Context, run
from mailward.app.platform.workspace import Workspaces
from mailward.app.retention import default_terms
from mailward.base.errors import Invalid
from mailward.edges.web.schema import redaction as schema

Rule = Annotated[
    str | None, Parameter(help="keep, redact, redact:24h, redact:7d (from acceptance, in hours or days), or never.")
]
_RULE = re.compile(r"(keep|redact|never)(?::(\d{1,4})([hd]))?")


def redaction(
    *,
    subject: Rule = None,
    addresses: Rule = None,
    ip: Rule = None,
    body: Rule = None,
    config: Config = None,
    workspace: Workspace = None,
    json: Json = False,
) -> int:
    """Which fields of mail are redacted or never stored; with an option, change it. The change is in the audit log."""

    async def act(context: Context) -> int:
        area = Workspaces(context.store, context.clock, default_terms(context.settings))
        wanted = schema.ChangeRedaction(
            subject=_rule(subject, "subject"),
            addresses=_rule(addresses, "addresses"),
            ip=_rule(ip, "ip"),
            body=_rule(body, "body"),
        )
        if wanted == schema.ChangeRedaction():
            show(await area.redaction(context.actor), json=json)
        else:
            show(await area.change_redaction(context.actor, wanted), json=json)
        return 0

    return run(config, workspace, act)


def show(rules: schema.Redaction, *, json: bool) -> None:
    """Each field with what is done with it."""
    if json:
        print_json(rules)
        return
    fields = {"subject": rules.subject, "addresses": rules.addresses, "ip": rules.ip, "body": rules.body}
    print_facts({name: f"{r.mode}, {r.after_hours} h" if r.after_hours else r.mode for name, r in fields.items()})


def _rule(text: str | None, option: str) -> schema.ChangeRule | UnsetType:
    if text is None:
        return UNSET
    found = _RULE.fullmatch(text)
    if found is None or (found[2] and found[1] != "redact"):
        raise Invalid("bad_rule", f"--{option} is keep, redact, redact:24h, redact:7d or never.", field=option)
    hours = int(found[2] or 0) * (24 if found[3] == "d" else 1)
    return schema.ChangeRule(mode=found[1], after_hours=hours)  # type: ignore[arg-type]  # the expression allows no other
