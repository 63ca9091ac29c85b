"""The file a customer takes home: made the same way for the shell, the API and the dashboard."""

from __future__ import annotations

from datetime import datetime

import msgspec

from mailward.app.store import Store
from mailward.core.audit.advance import advance
from mailward.core.audit.export import anchor, export
from mailward.core.audit.ports import Signer, Tell, nobody
from mailward.policy import access
from mailward.policy.access import Actor, Permission


async def export_bytes(
    store: Store,
    signer: Signer,
    actor: Actor,
    *,
    now: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
    since_size: int | None = None,
    tell: Tell = nobody,
) -> bytes:
    """The file that `mailward audit verify` reads. The export is itself an entry, and the last one in a whole log."""
    access.require(actor, Permission.AUDIT_READ)
    facts = {"since": str(since or "beginning"), "until": str(until or "now")}
    await store.write(
        actor.workspace, lambda tx: tx.audit.append(actor, "audit.exported", actor.workspace, facts, now=now)
    )
    await store.system_write(lambda tx: advance(tx, signer, now=now))
    content = await store.read(
        actor.workspace,
        lambda tx: export(tx, actor, signer, now=now, since=since, until=until, since_size=since_size, tell=tell),
    )
    size = int(content["checkpoint"].split("\n")[1])
    content["anchor"] = await store.system_read(lambda tx: anchor(tx, actor.workspace, size, signer))
    return msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n"
