"""SQL of the audit log. Nothing here updates or deletes an entry; only facts beside one can be erased."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from mailward.adapters.storage.sqlite.times import to_us
from mailward.adapters.storage.sqlite.workspaces import table
from mailward.base import ids
from mailward.core.audit.model import HEAD_ACT, INSTALLATION, Head, LeafRow, canonical, encode_leaf, facts_by
from mailward.core.audit.ports import Node
from mailward.policy.access import Actor

if TYPE_CHECKING:
    from mailward.adapters.storage.sqlite.sql import Row, Sql

_LEAF = "a.seq, a.id, a.at, a.act, a.leaf, f.salt, f.facts"


class SqliteAudit:
    """The audit log on SQLite, whose single writer gives each entry its place in the order."""

    def __init__(self, tx: Sql) -> None:
        self._tx = tx

    # -- writing ------------------------------------------------------------------------------

    async def append(
        self, actor: Actor, act: str, target: str, facts: Mapping[str, str] | None = None, *, now: datetime
    ) -> str:
        """See AuditRepo. The id and the salt come from the host: they are the store's, not the verb's."""
        workspace = self._tx.workspace
        if workspace is None:
            workspace = ids.decode("ws", actor.workspace) if actor.workspace else INSTALLATION
        return self._add(workspace, actor.kind, actor.id, act, target, facts_by(actor.address, facts), now, None)[1]

    async def in_turn(self, workspace: str) -> None:
        """See AuditRepo. One transaction writes at a time."""

    async def append_head(self, workspace: str, head: Head, *, now: datetime) -> None:
        """See AuditRepo."""
        extra = {"size": head.size, "root": head.root.hex()}
        seq, _ = self._add(INSTALLATION, "system", "sequencer", HEAD_ACT, workspace, None, now, extra)
        self._tx.run(
            "UPDATE t_audit_heads SET anchor = ? WHERE workspace = ? AND size = ?",
            (seq, ids.decode("ws", workspace), head.size),
        )

    def _add(
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
        seq = self._size(workspace)
        self._tx.run(
            "INSERT INTO t_audit(workspace, seq, id, at, act, leaf) VALUES (?,?,?,?,?,?)",
            (workspace, seq, raw, at, act, leaf),
        )
        if text is not None:
            self._tx.run(
                "INSERT INTO t_audit_facts(workspace, id, salt, facts) VALUES (?,?,?,?)", (workspace, raw, salt, text)
            )
        self._tx.run("INSERT OR IGNORE INTO t_audit_pending(workspace) VALUES (?)", (workspace,))
        return seq, id

    async def add_nodes(self, workspace: bytes, nodes: Sequence[Node]) -> None:
        """Complete subtrees; a node never changes, so one already there is the same."""
        self._tx.many(
            "INSERT OR IGNORE INTO t_audit_nodes(workspace, level, idx, hash) VALUES (?,?,?,?)",
            [(workspace, *n) for n in nodes],
        )

    async def add_head(self, workspace: bytes, head: Head) -> None:
        """See AuditRepo."""
        self._tx.run(
            "INSERT INTO t_audit_heads(workspace, size, root, at, note) VALUES (?,?,?,?,?)",
            (workspace, head.size, head.root, head.at, head.note),
        )

    async def settled(self, workspace: bytes, size: int) -> None:
        """See AuditRepo."""
        if self._size(workspace) == size:
            self._tx.run("DELETE FROM t_audit_pending WHERE workspace = ?", (workspace,))

    async def erase_facts(self, workspace: bytes, id: bytes) -> bool:
        """See AuditRepo. Salt and facts go together, so the hash in the leaf can no longer be guessed at."""
        return self._tx.run("DELETE FROM t_audit_facts WHERE workspace = ? AND id = ?", (workspace, id)) > 0

    # -- reading ------------------------------------------------------------------------------

    def _size(self, workspace: bytes) -> int:
        t = table(self._tx, "audit")
        row = self._tx.row(f"SELECT max(seq) FROM {t} WHERE workspace = ?", (workspace,))  # noqa: S608
        return 0 if row is None or row[0] is None else int(row[0]) + 1

    def _from(self) -> str:
        audit, facts = table(self._tx, "audit"), table(self._tx, "audit_facts")
        return f"FROM {audit} AS a LEFT JOIN {facts} AS f ON f.workspace = a.workspace AND f.id = a.id"

    async def size(self, workspace: bytes) -> int:
        """See AuditRepo."""
        return self._size(workspace)

    async def pending(self) -> list[bytes]:
        """See AuditRepo."""
        return [r[0] for r in self._tx.rows("SELECT workspace FROM t_audit_pending ORDER BY workspace")]

    async def leaves(self, workspace: bytes, first: int, end: int) -> Iterable[LeafRow]:
        """See AuditRepo."""
        sql = f"SELECT {_LEAF} {self._from()} WHERE a.workspace = ? AND a.seq >= ? AND a.seq < ? ORDER BY a.seq"
        return [LeafRow(*r) for r in self._tx.rows(sql, (workspace, first, end))]

    async def leaf_bytes(self, workspace: bytes, first: int, end: int) -> Sequence[bytes]:
        """See AuditRepo."""
        sql = f"SELECT leaf FROM {table(self._tx, 'audit')} WHERE workspace = ? AND seq >= ? AND seq < ? ORDER BY seq"  # noqa: S608
        return [r[0] for r in self._tx.rows(sql, (workspace, first, end))]

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
        sql = f"SELECT {_LEAF} {self._from()} WHERE a.workspace = ?"
        params: list[object] = [workspace]
        for clause, value in (
            ("a.seq < ?", before),
            ("a.act = ?", act if area is None else None),
            ("a.act >= ?", None if area is None else f"{area}."),
            ("a.act < ?", None if area is None else f"{area}/"),
            ("a.at >= ?", since),
            ("a.at < ?", until),
            ("a.actor = ?", actor),
            ("a.target = ?", target),
        ):
            if value is not None:
                sql += " AND " + clause
                params.append(value)
        return [LeafRow(*r) for r in self._tx.rows(sql + " ORDER BY a.seq DESC LIMIT ?", (*params, limit))]

    async def span(self, workspace: bytes, since: int | None, until: int | None) -> tuple[int, int]:
        """See AuditRepo."""
        sql = (
            f"SELECT min(seq), max(seq) FROM {table(self._tx, 'audit')} "  # noqa: S608
            "WHERE workspace = ? AND at >= ? AND at < ?"
        )
        row = self._tx.row(sql, (workspace, since or 0, 1 << 62 if until is None else until))
        return (0, 0) if row is None or row[0] is None else (row[0], row[1] + 1)

    async def node(self, workspace: bytes, level: int, index: int) -> bytes | None:
        """See AuditRepo."""
        t = table(self._tx, "audit_nodes")
        row = self._tx.row(
            f"SELECT hash FROM {t} WHERE workspace = ? AND level = ? AND idx = ?",  # noqa: S608
            (workspace, level, index),
        )
        return row[0] if row else None

    async def nodes(self, workspace: bytes) -> Iterator[Node]:
        """See AuditRepo."""
        sql = f"SELECT level, idx, hash FROM {table(self._tx, 'audit_nodes')} WHERE workspace = ? ORDER BY level, idx"  # noqa: S608
        return iter([(r[0], r[1], r[2]) for r in self._tx.rows(sql, (workspace,))])

    async def head(self, workspace: bytes, *, at_most: int | None = None) -> Head | None:
        """See AuditRepo."""
        t = table(self._tx, "audit_heads")
        row = self._tx.row(
            f"SELECT size, root, at, note FROM {t} WHERE workspace = ? AND size <= ? ORDER BY size DESC LIMIT 1",  # noqa: S608
            (workspace, 1 << 62 if at_most is None else at_most),
        )
        return Head(*row) if row else None

    async def heads(self, workspace: bytes) -> list[Head]:
        """See AuditRepo."""
        t = table(self._tx, "audit_heads")
        rows: list[Row] = self._tx.rows(
            f"SELECT size, root, at, note FROM {t} WHERE workspace = ? ORDER BY size",  # noqa: S608
            (workspace,),
        )
        return [Head(*r) for r in rows]

    async def head_leaf(self, workspace: str, size: int) -> int | None:
        """See AuditRepo."""
        t = table(self._tx, "audit_heads")
        row = self._tx.row(
            f"SELECT anchor FROM {t} WHERE workspace = ? AND size = ?",  # noqa: S608
            (ids.decode("ws", workspace), size),
        )
        return row[0] if row else None

    async def trees(self) -> list[bytes]:
        """See AuditRepo."""
        return [
            r[0]
            for r in self._tx.rows(
                "SELECT workspace FROM t_audit UNION SELECT workspace FROM t_audit_heads "
                "UNION SELECT workspace FROM t_audit_facts ORDER BY workspace"
            )
        ]
