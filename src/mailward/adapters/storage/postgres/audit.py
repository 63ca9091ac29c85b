"""SQL of the audit log. Nothing here updates or deletes an entry; only facts beside one can be erased."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from mailward.adapters.storage.times import to_us
from mailward.base import ids
from mailward.base.errors import Corrupt
from mailward.core.audit.model import HEAD_ACT, INSTALLATION, Head, LeafRow, canonical, encode_leaf, facts_by
from mailward.core.audit.ports import Node
from mailward.policy.access import Actor

if TYPE_CHECKING:
    from mailward.adapters.storage.postgres.scope import SealedSql
    from mailward.adapters.storage.postgres.sql import Row

_FROM = (
    "SELECT a.seq, a.id, a.at, a.act, a.leaf, f.facts FROM audit AS a "
    "LEFT JOIN audit_facts AS f ON f.workspace = a.workspace AND f.id = a.id WHERE a.workspace = $1"
)
# The entry takes the place after the last one; `locked` has made every other appender to this tree wait.
_APPEND = (
    "WITH entry AS (INSERT INTO audit(workspace, seq, id, at, act, leaf) "
    "SELECT $1, coalesce(max(seq) + 1, 0), $2, $3, $4, $5 FROM audit WHERE workspace = $1 RETURNING seq), "
    "facts AS (INSERT INTO audit_facts(workspace, id, facts) SELECT $1, $2, $6::bytea WHERE $6 IS NOT NULL), "
    "pending AS (INSERT INTO audit_pending(workspace) VALUES ($1) ON CONFLICT DO NOTHING) SELECT seq FROM entry"
)
_FOREVER = 1 << 62


class PgAudit:
    """The audit log on PostgreSQL. A lock for each tree gives its entries their order."""

    def __init__(self, tx: SealedSql) -> None:
        self._tx = tx
        self._facts = tx.cipher.column("audit_facts", "facts")

    # -- writing ------------------------------------------------------------------------------

    async def append(
        self, actor: Actor, act: str, target: str, facts: Mapping[str, str] | None = None, *, now: datetime
    ) -> str:
        """See AuditRepo. The id and the salt come from the host: they are the store's, not the verb's."""
        workspace = self._tx.workspace
        if workspace is None:
            workspace = ids.decode("ws", actor.workspace) if actor.workspace else INSTALLATION
        return (
            await self._add(workspace, actor.kind, actor.id, act, target, facts_by(actor.address, facts), now, None)
        )[1]

    async def in_turn(self, workspace: str) -> None:
        """See AuditRepo. Each statement sees what was committed before it, so a lock is all there is to it."""
        await self._lock(ids.decode("ws", workspace) if workspace else INSTALLATION)

    async def append_head(self, workspace: str, head: Head, *, now: datetime) -> None:
        """See AuditRepo."""
        extra = {"size": head.size, "root": head.root.hex()}
        seq, _ = await self._add(INSTALLATION, "system", "sequencer", HEAD_ACT, workspace, None, now, extra)
        await self._tx.run(
            "UPDATE audit_heads SET anchor = $1 WHERE workspace = $2 AND size = $3",
            seq,
            ids.decode("ws", workspace),
            head.size,
        )

    async def _lock(self, workspace: bytes) -> None:
        """Until the commit, nobody else appends to this tree. A statement of its own: the next one sees what was."""
        key = int.from_bytes(b"aud" + workspace[-5:], "big")
        await self._tx.rows("SELECT pg_advisory_xact_lock($1)", key)

    async def _add(
        self,
        workspace: bytes,
        actor_kind: str,
        actor: str,
        act: str,
        target: str,
        facts: Mapping[str, str] | None,
        now: datetime,
        extra: Mapping[str, object] | None,
    ) -> tuple[int, str]:
        at = to_us(now)
        raw = (at // 1000).to_bytes(6, "big") + secrets.token_bytes(10)
        id = ids.encode("aud", raw)
        salt = secrets.token_bytes(16)
        text = canonical(facts).decode() if facts else None
        leaf = encode_leaf(
            workspace="installation" if workspace == INSTALLATION else ids.encode("ws", workspace),
            id=id,
            at=at,
            actor_kind=actor_kind,
            actor=actor,
            act=act,
            target=target,
            facts=text,
            salt=salt,
            extra=extra,
        )
        sealed = None if text is None else self._facts.pack(workspace, raw, salt, text)
        await self._lock(workspace)
        row = await self._tx.row(_APPEND, workspace, raw, at, act, leaf, sealed)
        assert row is not None
        return row[0], id

    async def add_nodes(self, workspace: bytes, nodes: Sequence[Node]) -> None:
        """Complete subtrees; a node never changes, so one already there is the same."""
        await self._tx.run(
            "INSERT INTO audit_nodes(workspace, level, idx, hash) "
            "SELECT $1, * FROM unnest($2::int[], $3::bigint[], $4::bytea[]) ON CONFLICT DO NOTHING",
            workspace,
            [n[0] for n in nodes],
            [n[1] for n in nodes],
            [n[2] for n in nodes],
        )

    async def add_head(self, workspace: bytes, head: Head) -> None:
        """See AuditRepo."""
        await self._tx.run(
            "INSERT INTO audit_heads(workspace, size, root, at, note) VALUES ($1, $2, $3, $4, $5)",
            workspace,
            head.size,
            head.root,
            head.at,
            head.note,
        )

    async def settled(self, workspace: bytes, size: int) -> None:
        """See AuditRepo."""
        await self._lock(workspace)
        if await self.size(workspace) == size:
            await self._tx.run("DELETE FROM audit_pending WHERE workspace = $1", workspace)

    async def erase_facts(self, workspace: bytes, id: bytes) -> bool:
        """See AuditRepo. Salt and facts go together, so the hash in the leaf can no longer be guessed at."""
        return await self._tx.run("DELETE FROM audit_facts WHERE workspace = $1 AND id = $2", workspace, id) > 0

    # -- reading ------------------------------------------------------------------------------

    def _leaf(self, workspace: bytes, r: Row) -> LeafRow:
        salt, facts = (None, None) if r[5] is None else self._facts.unpack(workspace, r[1], r[5])
        return LeafRow(r[0], r[1], r[2], r[3], r[4], salt, facts)

    def _as_found(self, workspace: bytes, r: Row) -> LeafRow:
        """For verification: facts that do not open are changed facts, which fit no leaf."""
        try:
            return self._leaf(workspace, r)
        except Corrupt:
            return LeafRow(r[0], r[1], r[2], r[3], r[4], b"", "")

    async def size(self, workspace: bytes) -> int:
        """See AuditRepo."""
        row = await self._tx.row("SELECT max(seq) FROM audit WHERE workspace = $1", workspace)
        return 0 if row is None or row[0] is None else int(row[0]) + 1

    async def pending(self) -> list[bytes]:
        """See AuditRepo."""
        return [r[0] for r in await self._tx.rows("SELECT workspace FROM audit_pending ORDER BY workspace")]

    async def leaves(self, workspace: bytes, first: int, end: int) -> Iterable[LeafRow]:
        """See AuditRepo."""
        rows = await self._tx.rows(f"{_FROM} AND a.seq >= $2 AND a.seq < $3 ORDER BY a.seq", workspace, first, end)
        return [self._as_found(workspace, r) for r in rows]

    async def leaf_bytes(self, workspace: bytes, first: int, end: int) -> Sequence[bytes]:
        """See AuditRepo."""
        sql = "SELECT leaf FROM audit WHERE workspace = $1 AND seq >= $2 AND seq < $3 ORDER BY seq"
        return [r[0] for r in await self._tx.rows(sql, workspace, first, end)]

    async def page(
        self,
        workspace: bytes,
        *,
        before: int | None,
        limit: int,
        act: str | None,
        since: int | None,
        until: int | None,
        actor: str | None = None,
        target: str | None = None,
    ) -> list[LeafRow]:
        """See AuditRepo."""
        # All acts of one area lie between "domain." and "domain/", which is the next text.
        area = act[:-1] if act is not None and act.endswith(".") else None
        sql = _FROM
        params: list[object] = [workspace]
        for clause, value in (
            ("a.seq <", before),
            ("a.act =", act if area is None else None),
            ('a.act COLLATE "C" >=', None if area is None else f"{area}."),
            ('a.act COLLATE "C" <', None if area is None else f"{area}/"),
            ("a.at >=", since),
            ("a.at <", until),
            ("a.actor =", actor),
            ("a.target =", target),
        ):
            if value is not None:
                params.append(value)
                sql += f" AND {clause} ${len(params)}"
        params.append(limit)
        rows = await self._tx.rows(f"{sql} ORDER BY a.seq DESC LIMIT ${len(params)}", *params)
        return [self._leaf(workspace, r) for r in rows]

    async def span(self, workspace: bytes, since: int | None, until: int | None) -> tuple[int, int]:
        """See AuditRepo."""
        row = await self._tx.row(
            "SELECT min(seq), max(seq) FROM audit WHERE workspace = $1 AND at >= $2 AND at < $3",
            workspace,
            since or 0,
            _FOREVER if until is None else until,
        )
        return (0, 0) if row is None or row[0] is None else (row[0], row[1] + 1)

    async def node(self, workspace: bytes, level: int, index: int) -> bytes | None:
        """See AuditRepo."""
        sql = "SELECT hash FROM audit_nodes WHERE workspace = $1 AND level = $2 AND idx = $3"
        row = await self._tx.row(sql, workspace, level, index)
        return row[0] if row else None

    async def nodes(self, workspace: bytes) -> Iterator[Node]:
        """See AuditRepo."""
        sql = "SELECT level, idx, hash FROM audit_nodes WHERE workspace = $1 ORDER BY level, idx"
        return iter([(r[0], r[1], r[2]) for r in await self._tx.rows(sql, workspace)])

    async def head(self, workspace: bytes, *, at_most: int | None = None) -> Head | None:
        """See AuditRepo."""
        row = await self._tx.row(
            "SELECT size, root, at, note FROM audit_heads WHERE workspace = $1 AND size <= $2 "
            "ORDER BY size DESC LIMIT 1",
            workspace,
            _FOREVER if at_most is None else at_most,
        )
        return Head(*row) if row else None

    async def heads(self, workspace: bytes) -> list[Head]:
        """See AuditRepo."""
        sql = "SELECT size, root, at, note FROM audit_heads WHERE workspace = $1 ORDER BY size"
        return [Head(*r) for r in await self._tx.rows(sql, workspace)]

    async def head_leaf(self, workspace: str, size: int) -> int | None:
        """See AuditRepo."""
        sql = "SELECT anchor FROM audit_heads WHERE workspace = $1 AND size = $2"
        row = await self._tx.row(sql, ids.decode("ws", workspace), size)
        return row[0] if row else None

    async def trees(self) -> list[bytes]:
        """See AuditRepo."""
        sql = (
            "SELECT workspace FROM audit UNION SELECT workspace FROM audit_heads "
            "UNION SELECT workspace FROM audit_facts ORDER BY workspace"
        )
        return [r[0] for r in await self._tx.rows(sql)]
