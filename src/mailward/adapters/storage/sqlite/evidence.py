"""SQL of the checks: what an auditor would ask the rows. The file around them is encrypted as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailward.adapters.storage.sqlite.sql import Sql


class SqliteEvidence:
    """The evidence repository on SQLite. System scope."""

    def __init__(self, tx: Sql) -> None:
        self._tx = tx

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

    async def verified_domains(self) -> list[tuple[int | None, int]]:
        """(last checked, failures since) of every verified domain."""
        rows = self._tx.rows("SELECT checked_at, failures FROM t_domains WHERE state = 'verified'")
        return [(r[0], r[1]) for r in rows]

    def _number(self, sql: str, *params: object) -> int:
        row = self._tx.row(sql, params)
        return int(row[0]) if row else 0
