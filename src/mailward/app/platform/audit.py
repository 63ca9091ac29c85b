"""The audit area of the platform."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable

from mailward.app.store import Store
from mailward.base.errors import Invalid
from mailward.base.sources import Clock
from mailward.core.audit import read
from mailward.core.audit.csv_table import to_csv
from mailward.core.audit.model import Entry
from mailward.edges.web.schema import audit as schema
from mailward.policy import access
from mailward.policy.access import Actor, Permission
from mailward.protocol.merkle.tree import leaf_hash

_CSV_MOST = 10_000


class Audit:
    """Implements `edges.web.ports.Audit`. `export` makes the file that `mailward audit verify` reads."""

    def __init__(
        self, store: Store, clock: Clock, export: Callable[[Actor, schema.AuditExportQuery], Awaitable[bytes]]
    ) -> None:
        self._store = store
        self._clock = clock
        self._export = export

    async def entries(self, actor: Actor, query: schema.AuditQuery) -> schema.AuditPage:
        """Newest first; the cursor is an index."""
        before = _index(query.cursor)
        found = await self._store.read(
            actor.workspace,
            lambda tx: read.list_entries(
                tx,
                actor,
                before=before,
                limit=query.limit + 1,
                act=query.act,
                since=query.since,
                until=query.until,
                by=query.actor,
                target=query.target,
            ),
        )
        shown = found[: query.limit]
        more = str(shown[-1].seq) if len(found) > query.limit else None
        return schema.AuditPage(data=[_view(entry) for entry in shown], next_cursor=more)

    async def checkpoint(self, actor: Actor) -> schema.Checkpoint:
        """The newest signed head."""
        head = await self._store.read(actor.workspace, lambda tx: read.latest_head(tx, actor))
        return schema.Checkpoint(note=head.note, size=head.size, root_hash=_text(head.root))

    async def proof(self, actor: Actor, query: schema.ProofQuery) -> schema.Proof:
        """Of inclusion by `index`, of consistency by `first`."""
        index, first = query.index, query.first
        if index is not None:
            at = index
            found = await self._store.read(actor.workspace, lambda tx: read.prove_inclusion(tx, actor, at, query.size))
        else:
            start = first or 0
            found = await self._store.read(
                actor.workspace, lambda tx: read.prove_consistency(tx, actor, start, query.size)
            )
        return schema.Proof(
            kind="inclusion" if index is not None else "consistency",
            size=found.size,
            hashes=[_text(one) for one in found.hashes],
            index=index,
            first=first,
            leaf_hash=_text(found.leaf_hash) if found.leaf_hash is not None else None,
        )

    async def export(self, actor: Actor, query: schema.AuditExportQuery) -> bytes:
        """The log with what is needed to verify it offline."""
        access.require(actor, Permission.AUDIT_READ)
        return await self._export(actor, query)

    async def csv(self, actor: Actor, query: schema.AuditQuery) -> str:
        """What a search finds as a table; what was exported is an entry."""
        found = await self._store.read(
            actor.workspace,
            lambda tx: read.list_entries(
                tx, actor, limit=_CSV_MOST, act=query.act, since=query.since, until=query.until, by=query.actor,
                target=query.target,
            ),
        )  # fmt: skip
        now = self._clock.now()
        facts = {"form": "csv", "entries": str(len(found))}
        await self._store.write(
            actor.workspace, lambda tx: tx.audit.append(actor, "audit.exported", actor.workspace, facts, now=now)
        )
        return to_csv(found)


def _index(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not cursor.isdigit() or len(cursor) > 15:
        raise Invalid("invalid_cursor", "This cursor is not one of ours; start again without it.", field="cursor")
    return int(cursor)


def _view(entry: Entry) -> schema.AuditEntry:
    return schema.AuditEntry(
        index=entry.seq,
        id=entry.id,
        at=entry.at,
        actor_kind=entry.actor_kind,
        actor=entry.actor,
        act=entry.act,
        target=entry.target,
        facts=entry.facts,
        leaf_hash=_text(leaf_hash(entry.leaf)),
        address=entry.address,
        outcome=entry.outcome,
        reason=entry.reason,
    )


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
