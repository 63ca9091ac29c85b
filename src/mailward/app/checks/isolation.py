"""AUTHZ-2, second look: everything one workspace holds, asked for by its id from inside another one."""

from __future__ import annotations

from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.app.store import Tx
from mailward.base import ids
from mailward.core.evidence.model import Finding, failed, not_configured, passed
from mailward.core.identity.model import CredentialKind

_EACH = 50


@check("AUTHZ-2")
async def another_workspace_finds_nothing(context: Context) -> Finding:
    """The ids of the newest messages, domains, credentials and endpoints, looked up as another workspace would."""
    stranger = ids.encode("ws", b"\xff" * 16)
    if stranger == context.actor.workspace:
        return not_configured("this is the workspace that stands for strangers")
    held = await context.store.read(context.actor.workspace, _ids)
    seen = await context.store.read(stranger, lambda tx: _found(tx, held))
    own = await context.store.read(context.actor.workspace, lambda tx: _found(tx, held))
    if len(own) != sum(map(len, held.values())):
        return failed("a workspace does not find what it holds: the question would prove nothing")
    if seen:
        return failed(f"another workspace finds {len(seen)} things that are not its own, {seen[0]} first")
    listed = await context.store.read(stranger, _ids)
    if any(listed.values()):
        return failed("another workspace lists things that are not its own")
    counts = ", ".join(f"{len(found)} {kind}" for kind, found in held.items())
    return passed(
        f"asked for by id from inside another workspace: {counts}; none was found, all are found by their owner"
    )


async def _ids(tx: Tx) -> dict[str, list[str]]:
    kinds = (CredentialKind.KEY, CredentialKind.SMTP, CredentialKind.NETWORK)
    return {
        "messages": [ids.encode("msg", m.id) for m in await tx.messages.page(before=None, limit=_EACH)],
        "domains": [d.id for d in await tx.domains.page(before=None, limit=_EACH)],
        "credentials": [c.id for c in await tx.credentials.page(kinds, before=None, limit=_EACH)],
        "webhooks": [ids.encode("whk", e.id) for e in await tx.webhooks.page(before=None, limit=_EACH)],
    }


async def _found(tx: Tx, held: dict[str, list[str]]) -> list[str]:
    out = [id for id in held["messages"] if await tx.messages.get(ids.decode("msg", id)) is not None]
    out += [id for id in held["domains"] if await tx.domains.get(id) is not None]
    out += [id for id in held["credentials"] if await tx.credentials.get(id) is not None]
    out += [id for id in held["webhooks"] if await tx.webhooks.get(ids.decode("whk", id)) is not None]
    return out
