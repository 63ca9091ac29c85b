"""SQL of the checks: what an auditor would ask the rows. The file around them is encrypted as a whole."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import apsw

if TYPE_CHECKING:
    from mailward.adapters.storage.sqlite.sql import Sql

_DAY_US = 86_400_000_000


class SqliteEvidence:
    """The evidence repository on SQLite. System scope."""

    def __init__(self, tx: Sql) -> None:
        self._tx = tx

    async def past_scope(self) -> tuple[int, list[str]]:
        """Bound to nothing, and around the view of a workspace."""
        names = self._tx.rows("SELECT name FROM sqlite_master WHERE type='table' AND name LIKE 't\\_%' ESCAPE '\\'")
        found = []
        for (table,) in names:
            for workspace in (None, b"\xff" * 16):
                with self._tx.bound(workspace), contextlib.suppress(apsw.AuthError):
                    self._tx.rows(f"SELECT count(*) FROM {table}")  # noqa: S608  # names from our own schema
                    found.append(table)
        return len(names), found

    async def acts_holding(self, text: str) -> int:
        """How many audit entries carry a text in their facts."""
        return self._number("SELECT count(*) FROM t_audit_facts WHERE instr(facts, ?)", text)

    async def recent_recipients(self, limit: int) -> list[str]:
        """The newest recipients."""
        rows = self._tx.rows("SELECT recipient FROM t_deliveries ORDER BY message DESC LIMIT ?", (limit,))
        return [str(r[0]) for r in rows]

    async def data_keys_in_force(self) -> int:
        """How many data keys are not destroyed."""
        return self._number("SELECT count(*) FROM t_data_keys WHERE wrapped IS NOT NULL")

    async def tables_holding(self, text: str) -> list[str]:
        """Tables of credentials and acts in which any column holds a text."""
        found = []
        for table in ("t_credentials", "t_audit", "t_audit_facts"):
            for row in self._tx.rows(f"SELECT * FROM {table}"):  # noqa: S608  # fixed names
                if any(text in (v.decode("latin-1") if isinstance(v, bytes) else str(v)) for v in row):
                    found.append(table)
                    break
        return found

    async def credential_hashes(self) -> list[tuple[str, bytes | None]]:
        """(kind, hash) of every credential not revoked."""
        rows = self._tx.rows("SELECT kind, token_hash FROM t_credentials WHERE revoked IS NULL")
        return [(r[0], r[1]) for r in rows]

    async def passwords(self) -> list[str]:
        """Every stored password hash."""
        return [str(r[0]) for r in self._tx.rows("SELECT password FROM users")]

    async def session_hashes(self) -> list[bytes]:
        """The hash of every session."""
        return [bytes(r[0]) for r in self._tx.rows("SELECT token_hash FROM t_sessions")]

    async def past_terms(self, workspace: bytes, messages_before: int, content_before: int) -> tuple[int, int, int]:
        """By the ids' times, so that rows within their term are not walked; at most the newest 100,000 beyond it."""
        closed = (
            "NOT EXISTS (SELECT 1 FROM t_deliveries d WHERE d.workspace = ?1 AND d.message = m.id AND d.state <= 2)"
        )
        messages = self._one(
            f"SELECT count(*) FROM t_messages m WHERE workspace = ?1 AND id < ?2 AND {closed}",  # noqa: S608
            (workspace, _id_at(messages_before)),
        )
        contents = self._one(
            "SELECT count(*) FROM (SELECT id, segment FROM t_messages WHERE workspace = ?1 AND id < ?2 "  # noqa: S608
            f"ORDER BY id DESC LIMIT 100000) AS m WHERE m.segment IS NOT NULL AND {closed}",
            (workspace, _id_at(content_before)),
        )
        days = self._tx.rows(
            "SELECT DISTINCT day FROM t_data_keys WHERE workspace = ? AND day < ? AND wrapped IS NOT NULL",
            (workspace, content_before // _DAY_US),
        )
        spent = sum(
            self._one(
                "SELECT NOT EXISTS (SELECT 1 FROM t_deliveries WHERE workspace = ? AND message >= ? AND message < ? "
                "AND state <= 2)",
                (workspace, _id_at(day * _DAY_US), _id_at((day + 1) * _DAY_US)),
            )
            for (day,) in days
        )
        return messages, contents, spent

    def _one(self, sql: str, params: tuple[object, ...]) -> int:
        row = self._tx.row(sql, params)
        return int(row[0]) if row else 0

    async def oldest_message(self) -> int | None:
        """When the oldest message was accepted."""
        row = self._tx.row("SELECT min(created) FROM t_messages")
        return None if row is None or row[0] is None else int(row[0])

    async def signing_keys(self) -> dict[tuple[bytes, str], list[bytes]]:
        """(workspace, domain name) -> its public keys."""
        out: dict[tuple[bytes, str], list[bytes]] = {}
        for workspace, name, *keys in self._tx.rows(
            "SELECT d.workspace, d.name, p.rsa_public, p.ed25519_public FROM t_dkim_pairs p "
            "JOIN t_domains d ON d.workspace = p.workspace AND d.id = p.domain"
        ):
            out.setdefault((workspace, name), []).extend(keys)
        return out

    async def signing_secrets(self, now: int) -> list[tuple[bytes, bytes, bytes | None]]:
        """Of endpoints and of routes."""
        rows = self._tx.rows(
            "SELECT w.workspace, w.id, s.sealed FROM t_webhooks AS w LEFT JOIN t_webhook_secrets AS s "
            "ON s.workspace = w.workspace AND s.webhook = w.id AND (s.expires IS NULL OR s.expires > ?1) "
            "WHERE w.enabled = 1 UNION ALL "
            "SELECT r.workspace, r.id, s.sealed FROM t_inbound_routes AS r LEFT JOIN t_inbound_secrets AS s "
            "ON s.workspace = r.workspace AND s.route = r.id AND (s.expires IS NULL OR s.expires > ?1) "
            "WHERE r.enabled = 1",
            (now,),
        )
        return [(r[0], r[1], r[2]) for r in rows]

    async def verified_domains(self) -> list[tuple[int | None, int]]:
        """(last checked, failures since) of every verified domain."""
        rows = self._tx.rows("SELECT checked_at, failures FROM t_domains WHERE state = 'verified'")
        return [(r[0], r[1]) for r in rows]

    def _number(self, sql: str, *params: object) -> int:
        row = self._tx.row(sql, params)
        return int(row[0]) if row else 0


def _id_at(us: int) -> bytes:
    """The smallest message id of a time."""
    return max(0, us // 1000).to_bytes(6, "big") + bytes(10)
