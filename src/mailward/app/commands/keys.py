"""`mailward key`: API keys."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated

import cyclopts
from cyclopts import Parameter

from mailward.app.commands.output import Config, Json, Workspace, print_facts, print_json, print_table
from mailward.app.context import Context, run, workspaces
from mailward.base.errors import Invalid, MailwardError
from mailward.core.domains.names import canonical_set
from mailward.core.identity import bursts, credentials, succession, tokens
from mailward.core.identity.credentials import Wish
from mailward.core.identity.model import Credential
from mailward.policy.access import Scope

app = cyclopts.App(name="key", help="API keys.")

Domains = Annotated[
    list[str] | None, Parameter(negative="", help="May send from this domain only; several times if wished.")
]
Networks = Annotated[list[str] | None, Parameter(negative="", help="Only from this network.")]
Expires = Annotated[str | None, Parameter(help="When it ends: 2027-01-31T12:00:00Z, or from now 90d, 24h, 30m.")]


@app.command
def create(
    name: str,
    *,
    scope: Annotated[
        list[Scope] | None,
        Parameter(
            negative="", help="send, read, inbound, domains and others (docs/access.md); several times if wished."
        ),
    ] = None,
    domain: Domains = None,
    network: Networks = None,
    expires: Expires = None,
    config: Config = None,
    workspace: Workspace = None,
    json: Json = False,
) -> int:
    """Make an API key and print its secret, this once. The scope is 'send' unless said otherwise."""

    async def act(context: Context) -> int:
        wish = wished(name, frozenset(scope or [Scope.SEND]), domain, network, expires, context.clock.now())
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
        now = context.clock.now()
        head = ("id", "name", "prefix", "scopes", "state")
        if json:
            listed = [(c.id, c.name, c.hint, sorted(c.scopes), state(c, now)) for c in found]
            print_json([dict(zip(head, r, strict=True)) | limits(c) for r, c in zip(listed, found, strict=True)])
        else:
            print_table([(c.id, c.name, c.hint, " ".join(sorted(c.scopes)), state(c, now)) for c in found], head)
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


@app.command(name="revoke-all")
def revoke_all(
    *,
    before: Annotated[
        datetime | None, Parameter(help="Only what was made before this time; UTC unless it says more.")
    ] = None,
    everywhere: Annotated[bool, Parameter(negative="", help="In every workspace of the installation.")] = False,
    config: Config = None,
    workspace: Workspace = None,
    json: Json = False,
) -> int:
    """End every API key and SMTP credential of a workspace at once: after a break-in, or a restore from a backup."""
    limit = before if before is None or before.tzinfo is not None else before.replace(tzinfo=UTC)

    async def act(context: Context) -> int:
        found = await workspaces(context.store) if everywhere else []
        places = [w.id for w in found] or [context.actor.workspace]
        ended: dict[str, int] = {}
        failed: dict[str, str] = {}
        for place in places:
            actor = replace(context.actor, workspace=place)
            now = context.clock.now()
            try:
                ended[str(place)] = await context.store.write(
                    place, partial(credentials.revoke_all, actor=actor, before=limit, now=now)
                )
            except Exception as error:  # one workspace whose rows are damaged must not save those of the others
                failed[str(place)] = error.public if isinstance(error, MailwardError) else type(error).__name__
        if json:
            print_json(ended)
        else:
            print_table(list(ended.items()), ("workspace", "revoked"))
        for name, why in failed.items():
            print(f"{name}: nothing was revoked here: {why}", file=sys.stderr)
        return 1 if failed else 0

    return run(config, workspace, act)


@app.command
def rotate(
    id: str,
    *,
    grace: Annotated[str, Parameter(help="How long the old one goes on working: 24h, 90m, 7d, or 0.")] = "24h",
    config: Config = None,
    workspace: Workspace = None,
    json: Json = False,
) -> int:
    """Make a successor of a key or an SMTP credential and print its secret, this once. Both work during the grace."""
    overlap = duration(grace)

    async def act(context: Context) -> int:
        now = context.clock.now()
        issued = await context.store.write(
            context.actor.workspace,
            lambda tx: succession.rotate(tx, context.actor, id, grace=overlap, now=now, entropy=context.entropy),
        )
        facts = {"id": issued.credential.id, "name": issued.credential.name, "replaces": id}
        if issued.secret is not None:
            facts["secret"] = issued.secret.reveal()
        ends = (now + overlap).isoformat(timespec="seconds")
        print_json(facts | {"replaced_ends_at": ends}) if json else print_facts(facts | {"the old one ends": ends})
        return 0

    return run(config, workspace, act)


@app.command
def release(id: str, *, config: Config = None, workspace: Workspace = None) -> int:
    """Let a key or an SMTP credential that was paused after a burst send again."""

    async def act(context: Context) -> int:
        await context.store.write(
            context.actor.workspace, lambda tx: bursts.release(tx, context.actor, id, now=context.clock.now())
        )
        print(f"{id} may send again.")
        return 0

    return run(config, workspace, act)


@app.command
def check(*, json: Json = False) -> int:
    """Read a token from standard input and say, offline, whether its checksum is right. Exits 1 when it is not.

    Nothing is looked up: it tells a token from a look-alike, not whether it still works.
    """
    text = sys.stdin.read(1000).strip()
    kind = tokens.kind_of(text)
    if json:
        print_json({"token": kind is not None, "kind": kind})
    else:
        print(f"a well-formed {kind}" if kind is not None else "not a token of ours")
    return 0 if kind is not None else 1


def wished(
    name: str,
    scopes: frozenset[Scope],
    domains: list[str] | None,
    networks: list[str] | None,
    expires: str | None,
    now: datetime,
) -> Wish:
    """What the options ask for. Invalid for a domain, network or time that is none."""
    return Wish(
        name,
        scopes,
        domains=canonical_set(domains) if domains else None,
        networks=credentials.parse_networks(networks or []),
        expires=None if expires is None else _moment(expires, now),
    )


def _moment(text: str, now: datetime) -> datetime:
    """A time of its own, UTC unless it says otherwise, or one so far from now."""
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        try:
            return now + duration(text, field="expires")
        except Invalid:
            hint = "Write a time as 90m, 24h or 7d, or a moment as 2030-01-31 or 2030-01-31T12:00+00:00."
            raise Invalid("bad_expires", hint, field="expires") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def limits(credential: Credential) -> dict[str, object]:
    """From where, for which domains and until when, and when it was last used, as JSON has it."""
    c = credential
    return {
        "domains": None if c.domains is None else sorted(c.domains),
        "networks": [str(n) for n in c.networks],
        "expires_at": c.expires,
        "last_used_at": c.last_used,
    }


def state(credential: Credential, now: datetime) -> str:
    """One word or a few: live, paused, replaced, expired, revoked."""
    if credential.revoked is not None:
        return "revoked"
    if credential.expires is not None and credential.expires <= now:
        return "expired"
    if credential.paused is not None:
        return f"paused: {credential.pause_reason}"
    return f"ends {credential.expires.isoformat(timespec='minutes')}" if credential.expires is not None else "live"


def duration(text: str, *, field: str = "grace") -> timedelta:
    """`90m`, `24h`, `7d` or `0`; Invalid otherwise."""
    found = re.fullmatch(r"(\d{1,6})([smhd])|0", text.strip())
    if found is None:
        raise Invalid(f"bad_{field}", "Write a time as 90m, 24h or 7d.", field=field)
    if found[1] is None:
        return timedelta()
    return timedelta(seconds=int(found[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[found[2]])
