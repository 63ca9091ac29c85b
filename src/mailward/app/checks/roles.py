"""AUTHZ-1 for people and commands: each role at every page, each command's actor at the verbs, and foreign ids."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, cast

from starlette.routing import Route

from mailward.app.checks import probe
from mailward.app.checks.probe import NotThere, secret
from mailward.app.checks.registry import check
from mailward.app.checks.somebody import Nobody, somebody
from mailward.app.context import Context, cli_actor, workspaces
from mailward.app.store import Tx
from mailward.base import ids
from mailward.base.errors import Forbidden, NotFound
from mailward.base.ids import UserId, WorkspaceId
from mailward.core.audit.read import list_entries
from mailward.core.domains.add import remove_domain
from mailward.core.domains.read import list_domains
from mailward.core.evidence.model import Finding, failed, not_configured, passed
from mailward.core.identity.credentials import list_keys, revoke_key
from mailward.core.identity.people import list_members, remove_member
from mailward.edges.web.api import operations
from mailward.edges.web.dashboard.ports import Surroundings
from mailward.edges.web.dashboard.site import routes
from mailward.policy.access import ROLE_PERMISSIONS, Actor, Permission, Role
from mailward.policy.boundaries import CLI

_PEOPLE = (Role.MEMBER, Role.ADMIN, Role.MANAGER)
# A form that carries no proof of our page is refused too, but only after who asks was found to have the permission.
_UNPROVED = b"This form is no longer valid"
_EACH = 3
_WAITS = (0.5, 1.0, 2.0, 0.0)


class _Nothing:
    """Stands for the platform where pages are listed and none is made."""

    def __getattr__(self, name: str) -> _Nothing:
        return self


def _pages(context: Context) -> list[Route]:
    return [r for r in routes(cast("Any", _Nothing()), Surroundings(), context.entropy) if isinstance(r, Route)]


@check("AUTHZ-1")
async def each_role_gets_what_is_its_own(context: Context) -> Finding:
    """A person of each role asks for every page and act of the dashboard that needs a permission, on things that are
    nobody's and without a form's proof: refused where the role lacks it, let through to the form where it does not."""
    table = [r for r in _pages(context) if isinstance(getattr(r.app, "policy", None), Permission)]
    wrong: list[str] = []
    asked = 0
    try:
        for role in _PEOPLE:
            source = probe.fresh_source(context)
            async with somebody(context, role, source) as who:
                for route in table:
                    for method in sorted((route.methods or set()) - {"HEAD"}):
                        path = "/".join("nobody" if part.startswith("{") else part for part in route.path.split("/"))
                        body = b"csrf=none" if method == "POST" else None
                        sent = {**who.cookie(context), "Content-Type": "application/x-www-form-urlencoded"}
                        heard = await _patiently(context, method, path, body=body, source=source, headers=sent)
                        needed = cast("Any", route.app).policy
                        asked += 1
                        if not _as_it_should(heard, method, allowed=needed in ROLE_PERMISSIONS[role]):
                            wrong.append(f"{method} {route.path} answered {heard.status} to a {role.value}")
    except Nobody as e:
        return not_configured(f"no role was tried: {e}")
    except NotThere as e:
        return failed(str(e))
    if wrong or not asked:
        return failed("; ".join(wrong[:5]) or "there are no pages to ask")
    return passed(
        f"{len(table)} pages and acts asked {asked} times by people of {len(_PEOPLE)} roles: 403 beyond a role"
    )


def _as_it_should(heard: probe.Heard, method: str, *, allowed: bool) -> bool:
    unproved = isinstance(heard.body, bytes) and _UNPROVED in heard.body
    if not allowed:
        return heard.status == 403 and not unproved
    return (heard.status == 403 and unproved) if method == "POST" else heard.status in (200, 404, 422)


async def _patiently(context: Context, method: str, path: str, **how: Any) -> probe.Heard:
    for wait in _WAITS:
        heard = await probe.ask(context, method, path, **how)
        if heard.status != 429:
            break
        await asyncio.sleep(wait)  # the workspace's own rate says nothing about permissions
    return heard


_Verb = Callable[[Tx, Actor], Awaitable[object]]


def _verbs(context: Context) -> dict[Permission, _Verb]:
    """A verb for each of some permissions that changes nothing: what it would change does not exist."""
    now = context.clock.now()
    return {
        Permission.DOMAIN_READ: lambda tx, a: list_domains(tx, a, limit=1),
        Permission.DOMAIN_CHANGE: lambda tx, a: remove_domain(tx, a, "nobody", now=now),
        Permission.KEY_READ: lambda tx, a: list_keys(tx, a, limit=1),
        Permission.KEY_CHANGE: lambda tx, a: revoke_key(tx, a, "nobody", now=now),
        Permission.MEMBER_READ: lambda tx, a: list_members(tx, a),
        Permission.MEMBER_CHANGE: lambda tx, a: remove_member(tx, a, UserId("nobody"), now=now),
        Permission.AUDIT_READ: lambda tx, a: list_entries(tx, a, limit=1),
    }


@check("AUTHZ-1")
async def commands_reach_their_own_verbs(context: Context) -> Finding:
    """The actor of every command is shown to verbs that list and change: each is refused unless the command's line in
    the table of commands has the permission."""
    wrong: list[str] = []
    verbs = _verbs(context)
    known: dict[frozenset[Permission], list[str]] = {}
    for command in CLI:
        known.setdefault(cli_actor(context.actor.workspace, command).permissions, []).append(command)
    for permissions, commands in known.items():
        actor = cli_actor(context.actor.workspace, commands[0])
        for permission, verb in verbs.items():
            if await _may(context, actor, verb) is not (permission in permissions):
                wrong.append(f"`mailward {commands[0]}` and {permission.value}")
    if wrong:
        return failed("what a command may do is not what its line says: " + "; ".join(wrong[:5]))
    return passed(f"{len(CLI)} commands with {len(known)} sets of permissions, each tried on {len(verbs)} verbs")


async def _may(context: Context, actor: Actor, verb: _Verb) -> bool:
    try:
        await context.store.write(actor.workspace, lambda tx: verb(tx, actor))
    except Forbidden:
        return False
    except NotFound:
        pass
    return True


@check("AUTHZ-1")
async def foreign_ids_are_unknown(context: Context) -> Finding:
    """The newest things of other workspaces, asked for by id with a key and a session of this one: 404, as for what
    never was."""
    own, others = context.actor.workspace, [w.id for w in await workspaces(context.store)]
    foreign: dict[str, list[str]] = {}
    for other in [w for w in others if w != own][:_EACH]:
        for folder, found in (await _held(context, other)).items():
            foreign.setdefault(folder, []).extend(found)
    asked, session = 0, ""
    wrong: list[str] = []
    try:
        async with probe.temporary(context, probe.EVERYTHING) as issued:
            how = {"key": secret(issued), "source": probe.fresh_source(context)}
            if sound := await _own_are_found(context, how):
                return failed(sound)
            paths = [o.path for o in operations() if o.method == "GET"]
            count, bad = await _ask_all(context, [p.removeprefix("/v1") for p in paths], "/v1", foreign, how)
            asked, wrong = asked + count, wrong + bad
        try:
            source = probe.fresh_source(context)
            async with somebody(context, Role.MANAGER, source) as who:
                pages = [r.path for r in _pages(context) if "GET" in (r.methods or ())]
                browser = {"headers": who.cookie(context), "source": source}
                count, bad = await _ask_all(context, pages, "", foreign, browser)
                asked, wrong = asked + count, wrong + bad
        except Nobody as e:
            session = f"; no page was asked: {e}"
    except NotThere as e:
        return failed(str(e))
    if wrong:
        return failed("; ".join(wrong[:5]))
    if not asked:
        return passed(f"no other workspace of {len(others)} holds anything that could be asked for")
    told = (
        f"ids of {sum(map(len, foreign.values()))} things of other workspaces asked {asked} times: each answer is 404"
    )
    return not_configured(told + session) if session else passed(told)


async def _held(context: Context, workspace: WorkspaceId) -> dict[str, list[str]]:
    """Ids of what a workspace holds, by the folder the doors show them in."""

    async def read(tx: Tx) -> dict[str, list[str]]:
        return {
            "messages": [ids.encode("msg", m.id) for m in await tx.messages.page(before=None, limit=_EACH)],
            "domains": [d.id for d in await tx.domains.page(before=None, limit=_EACH)],
            "webhooks": [ids.encode("whk", e.id) for e in await tx.webhooks.page(before=None, limit=_EACH)],
        }

    return await context.store.read(workspace, read)


async def _own_are_found(context: Context, how: dict[str, str]) -> str:
    """Why asking would prove nothing: something of the workspace's own that the API does not find."""
    served = {o.path for o in operations() if o.method == "GET"}
    for folder, found in (await _held(context, context.actor.workspace)).items():
        if found and any(re.fullmatch(rf"/v1/{folder}/\{{\w+\}}", path) for path in served):
            status = (await _patiently(context, "GET", f"/v1/{folder}/{found[0]}", **how)).status
            if status != 200:
                return f"the workspace's own {folder} answered {status}: asking for others' would prove nothing"
    return ""


async def _ask_all(
    context: Context, paths: list[str], base: str, foreign: dict[str, list[str]], how: dict[str, Any]
) -> tuple[int, list[str]]:
    asked = 0
    wrong: list[str] = []
    for path in paths:
        match = re.fullmatch(r"/([a-z-]+)/\{\w+\}(/[a-z-]+)?", path)
        for id in foreign.get(match[1], []) if match else []:
            heard = await _patiently(context, "GET", base + re.sub(r"\{\w+\}", id, path), **how)
            asked += 1
            if heard.status != 404:
                wrong.append(f"{base}{path} answered {heard.status} to an id of another workspace")
    return asked, wrong
