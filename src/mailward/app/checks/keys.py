"""KEYS-2 and AUTHZ-1: what a key reaches, asked of every operation of the running API."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta

from mailward.app.checks import probe
from mailward.app.checks.limits import own_domain
from mailward.app.checks.probe import Heard, NotThere, secret
from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.core.audit.read import list_entries
from mailward.core.evidence.model import Finding, failed, passed
from mailward.core.identity.credentials import Wish, parse_networks
from mailward.core.identity.model import Issued
from mailward.core.identity.succession import rotate
from mailward.edges.web.api import operations
from mailward.edges.web.routes import Operation
from mailward.policy.access import ROLE_PERMISSIONS, SCOPE_PERMISSIONS, Permission, Role, Scope

_PLACE = "/v1/workspace"
# Each worker looks for changed credentials four times a second; ending access may take a second.
_TRIES, _PAUSE = 10, 0.2
_WAITS = (0.5, 1.0, 2.0)
# .invalid never resolves (RFC 6761 section 6.4).
_TO, _OTHER = "nobody@verify.invalid", "another.verify.invalid"
# Thirty refusals of one key within twenty minutes are an alert to its workspace (`policy/detection.py`).
_REFUSED_BY = 25


@check("KEYS-2")
async def keys_reach_what_they_should(context: Context) -> Finding:
    """At the running API: a key from a network that is not listed, one for other domains, rotation, revocation."""
    try:
        wrong = await _from_elsewhere(context) or await _rotated(context) or await _revoked(context)
        own = await own_domain(context)
        if wrong := wrong or (await _for_other_domains(context, own) if own else ""):
            return failed(wrong)
    except NotThere as e:
        return failed(str(e))
    return passed(
        "from a network that is not listed a key got 403 and left an audit entry; old and new key both worked "
        "during the overlap and only the new one after; a revoked key was unknown within a second; "
        + ("a key for other domains could not send from ours" if own else "no domain may send, so none was bound to it")
    )


async def _get(context: Context, issued: Issued) -> Heard:
    return await probe.ask(context, "GET", _PLACE, key=secret(issued), source=probe.fresh_source(context))


async def _until(context: Context, issued: Issued, status: int) -> bool:
    for _ in range(_TRIES):
        if (await _get(context, issued)).status == status:
            return True
        await asyncio.sleep(_PAUSE)
    return False


async def _from_elsewhere(context: Context) -> str:
    wish = Wish("from elsewhere", frozenset({Scope.READ}), networks=parse_networks(["192.0.2.0/24"]))
    async with probe.temporary(context, wish) as issued:
        heard = await _get(context, issued)
        if (heard.status, heard.code) != (403, "network_not_allowed"):
            return f"a key from a network that is not listed got {heard.status} {heard.code}"
        found = await context.store.read(
            context.actor.workspace,
            lambda tx: list_entries(tx, context.actor, act="credential.refused", limit=20),
        )
    return "" if any(e.target == issued.credential.id for e in found) else "no audit entry tells of a refused network"


async def _for_other_domains(context: Context, own: str) -> str:
    """A key bound to the domain and one bound to another, each asked what would become of a message from it."""
    body = {"from": f"verify@{own}", "to": _TO, "subject": "verify", "text": "A question.", "dry_run": True}
    for domains, wanted in ((frozenset({own}), (200, "")), (frozenset({_OTHER}), (403, "domain_not_allowed"))):
        async with probe.temporary(context, Wish("for domains", frozenset({Scope.SEND}), domains=domains)) as issued:
            heard = await probe.ask(context, "POST", "/v1/messages", key=secret(issued), body=body)
        if (heard.status, heard.code) != wanted:
            bound = "this domain" if own in domains else "another domain"
            return f"a key bound to {bound} got {heard.status} {heard.code} for a message from it"
    return ""


async def _rotated(context: Context) -> str:
    async def successor(old: Issued, grace: timedelta) -> Issued:
        now = context.clock.now()
        return await context.store.write(
            context.actor.workspace,
            lambda tx: rotate(tx, context.actor, old.credential.id, grace=grace, now=now, entropy=context.entropy),
        )

    async with probe.temporary(context, Wish("to be rotated", frozenset({Scope.READ}))) as first:
        second = await successor(first, timedelta(hours=1))
        try:
            if (await _get(context, first)).status != 200 or (await _get(context, second)).status != 200:
                return "during the overlap of a rotation one of both keys did not work"
            third = await successor(second, timedelta())
            try:
                if (await _get(context, third)).status != 200:
                    return "a successor did not work"
                if not await _until(context, second, 401):
                    return "a key went on working after its overlap"
            finally:
                await probe.end(context, third)
        finally:
            await probe.end(context, second)
    return ""


async def _revoked(context: Context) -> str:
    async with probe.temporary(context, Wish("to be revoked", frozenset({Scope.READ}))) as issued:
        if (await _get(context, issued)).status != 200:
            return "a fresh key did not work"
    return "" if await _until(context, issued, 401) else "a revoked key went on working"


@check("AUTHZ-1")
async def every_operation_asks_for_its_permission(context: Context) -> Finding:
    """Every operation is asked without a key and with a key of each scope that does not reach it."""
    asked = 0
    table = [o for o in operations() if isinstance(o.permission, Permission)]
    wrong: list[str] = []
    try:
        source = probe.fresh_source(context)
        for scope, part in _parts(table):
            async with probe.temporary(context, Wish(f"scope {scope.value}", frozenset({scope}))) as issued:
                for operation in part:
                    allowed = operation.permission in SCOPE_PERMISSIONS[scope]
                    heard = await _call(context, operation, secret(issued), source)
                    asked += 1
                    if (heard.status == 403) is allowed:
                        wrong.append(f"{operation.name} answered {heard.status} to a key with scope {scope.value}")
        for operation in table:
            heard = await _call(context, operation, "", probe.fresh_source(context))
            asked += 1
            if heard.status != 401:
                wrong.append(f"{operation.name} answered {heard.status} without a key")
    except NotThere as e:
        return failed(str(e))
    if wrong := wrong or _roles():
        return failed("; ".join(wrong[:5]))
    return passed(
        f"{len(table)} operations asked {asked} times: 403 beyond a key's scope, 401 without a key; "
        "each role may do what the one below may, and operators see no messages"
    )


def _parts(table: list[Operation]) -> list[tuple[Scope, list[Operation]]]:
    """What each key asks for: few enough that none is refused as often as a stolen one that is tried out would be."""
    return [
        (scope, table[start : start + _REFUSED_BY])
        for scope in (Scope.SEND, Scope.READ, Scope.DOMAINS)
        for start in range(0, len(table), _REFUSED_BY)
    ]


async def _call(context: Context, operation: Operation, key: str, source: str) -> Heard:
    body = b"[]" if operation.takes_body else None
    for wait in (*_WAITS, 0.0):
        heard = await probe.ask(context, operation.method, nobodys(operation), key=key, body=body, source=source)
        if heard.status != 429 or not wait:
            break
        # The workspace's own rate; its answer says nothing about permissions.
        await asyncio.sleep(wait)
    return heard


def nobodys(operation: Operation) -> str:
    """The path of an operation on a thing that is nobody's."""
    return re.sub(r"\{[a-z_]+\}", "nobody", operation.path)


def _roles() -> list[str]:
    member, admin, manager = (ROLE_PERMISSIONS[r] for r in (Role.MEMBER, Role.ADMIN, Role.MANAGER))
    wrong = []
    if not member < admin < manager:
        wrong.append("a lower role may do what a higher one may not")
    if {Permission.KEY_CHANGE, Permission.DOMAIN_CHANGE, Permission.MESSAGE_SEND} & member:
        wrong.append("members may change keys or domains, or send")
    standing = {Permission.MESSAGE_READ, Permission.MESSAGE_CONTENT, Permission.MESSAGE_SEND}
    if standing & ROLE_PERMISSIONS[Role.SUPER_ADMIN]:
        wrong.append("operators hold standing access to messages")
    return wrong
