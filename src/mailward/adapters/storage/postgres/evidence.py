"""SQL of the checks: what an auditor would ask the rows, with the keys to open what is sealed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailward.adapters.storage.postgres.sealed import INSTALLATION
from mailward.adapters.storage.postgres.sql import SCOPE_SETTING, TENANT_ROLE, scope_sql

if TYPE_CHECKING:
    from mailward.adapters.storage.postgres.scope import SealedSql

_DAY_US = 86_400_000_000
# Every table of ours with an owner column, whoever may read it.
_OWNED = (
    "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
    "JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'workspace' AND NOT a.attisdropped "
    "WHERE n.nspname = 'mailward' AND c.relkind IN ('r', 'p', 'v', 'm') ORDER BY 1"
)


class PgEvidence:
    """The evidence repository on PostgreSQL. System scope."""

    def __init__(self, tx: SealedSql) -> None:
        self._tx = tx

    async def past_scope(self) -> tuple[int, list[str]]:
        """As the login role, bound to nothing, and bound to a workspace that is not: no row, or a refusal."""
        names = [r[0] for r in await self._tx.rows(_OWNED)]
        found = []
        for scope, where in (
            ("SET LOCAL ROLE NONE", ""),
            (f"SET LOCAL ROLE {TENANT_ROLE}; SET LOCAL {SCOPE_SETTING} = ''", ""),
            (scope_sql(b"\xff" * 16), " WHERE workspace <> decode(repeat('ff', 16), 'hex')"),
        ):
            for table in names:
                sql = f"SELECT FROM {table}{where} LIMIT 1"  # names from our own schema
                if await self._tx.found_in(scope, sql):
                    found.append(table)
        return len(names), found

    async def acts_holding(self, text: str) -> int:
        """How many audit entries carry a text in their facts."""
        column = self._tx.cipher.column("audit_facts", "facts")
        rows = await self._tx.rows("SELECT workspace, id, facts FROM audit_facts")
        return sum(text in column.unpack(*row)[1] for row in rows)

    async def recent_recipients(self, limit: int) -> list[str]:
        """The newest recipients."""
        rows = await self._tx.rows(
            "SELECT * FROM ("
            "(SELECT workspace, message, n, recipient FROM open_deliveries ORDER BY message DESC LIMIT $1) UNION ALL "
            "(SELECT workspace, message, n, recipient FROM deliveries ORDER BY message DESC LIMIT $1)) AS d "
            "ORDER BY message DESC LIMIT $1",
            limit,
        )
        column = self._tx.cipher.column("deliveries", "recipient", daily=True)
        return [str(column.unpack(w, message + n.to_bytes(4, "big"), sealed)[0]) for w, message, n, sealed in rows]

    async def data_keys_in_force(self) -> int:
        """How many data keys are not destroyed."""
        row = await self._tx.row("SELECT count(*) FROM data_keys WHERE wrapped IS NOT NULL")
        return int(row[0]) if row else 0

    async def tables_holding(self, text: str) -> list[str]:
        """Tables of credentials and acts in which any column holds a text: as stored, or once it is opened."""
        found = []
        for table, column in (("credentials", "details"), ("audit", None), ("audit_facts", "facts")):
            for row in await self._tx.rows(f"SELECT * FROM {table}"):  # noqa: S608  # fixed names
                values = dict(row.items())  # type: ignore[attr-defined]
                seen = [v.decode("latin-1") if isinstance(v, bytes) else str(v) for v in values.values()]
                if column is not None:
                    sealed = self._tx.cipher.column(table, column)
                    seen.append(str(sealed.unpack(values["workspace"], values["id"], values[column])))
                if any(text in v for v in seen):
                    found.append(table)
                    break
        return found

    async def credential_hashes(self) -> list[tuple[str, bytes | None]]:
        """(kind, hash) of every credential not revoked."""
        rows = await self._tx.rows("SELECT kind, token_hash FROM credentials WHERE revoked IS NULL")
        return [(r[0], r[1]) for r in rows]

    async def passwords(self) -> list[str]:
        """Every stored password hash."""
        column = self._tx.cipher.column("users", "password")
        rows = await self._tx.rows("SELECT id, password FROM users")
        return [column.open(INSTALLATION, r[0], r[1]).decode() for r in rows]

    async def session_hashes(self) -> list[bytes]:
        """The hash of every session."""
        return [r[0] for r in await self._tx.rows("SELECT token_hash FROM sessions")]

    async def past_terms(self, workspace: bytes, messages_before: int, content_before: int) -> tuple[int, int, int]:
        """By the ids' times, so that rows within their term are not walked; at most the newest 100,000 beyond it."""
        row = await self._tx.row(
            "WITH still_open AS MATERIALIZED (SELECT DISTINCT message FROM open_deliveries WHERE workspace = $1) "
            "SELECT (SELECT count(*) FROM messages WHERE workspace = $1 AND id < $2 "
            "AND id NOT IN (SELECT message FROM still_open)), "
            "(SELECT count(*) FROM (SELECT id, segment FROM messages WHERE workspace = $1 AND id < $3 "
            "ORDER BY id DESC LIMIT 100000) AS m WHERE segment IS NOT NULL "
            "AND id NOT IN (SELECT message FROM still_open)), "
            "(SELECT count(DISTINCT day) FROM data_keys AS k WHERE workspace = $1 AND day < $4 "
            "AND wrapped IS NOT NULL AND NOT EXISTS (SELECT FROM still_open AS s "
            "WHERE s.message >= first_id(k.day) AND s.message < first_id(k.day + 1)))",
            workspace,
            _id_at(messages_before),
            _id_at(content_before),
            content_before // _DAY_US,
        )
        assert row is not None
        return row[0], row[1], row[2]

    async def oldest_message(self) -> int | None:
        """When the oldest message was accepted."""
        row = await self._tx.row("SELECT created FROM messages ORDER BY id LIMIT 1")
        return int(row[0]) if row else None

    async def signing_keys(self) -> dict[tuple[bytes, str], list[bytes]]:
        """(workspace, domain name) -> its public keys."""
        column = self._tx.cipher.column("domains", "details")
        out: dict[tuple[bytes, str], list[bytes]] = {}
        for workspace, id, details, rsa, ed25519 in await self._tx.rows(
            "SELECT d.workspace, d.id, d.details, p.rsa_public, p.ed25519_public FROM dkim_pairs AS p "
            "JOIN domains AS d ON d.workspace = p.workspace AND d.id = p.domain"
        ):
            name = column.unpack(workspace, id, details)[0]
            out.setdefault((workspace, name), []).extend((rsa, ed25519))
        return out

    async def signing_secrets(self, now: int) -> list[tuple[bytes, bytes, bytes | None]]:
        """Of endpoints and of routes."""
        rows = await self._tx.rows(
            "SELECT w.workspace, w.id, s.sealed FROM webhooks AS w LEFT JOIN webhook_secrets AS s "
            "ON s.workspace = w.workspace AND s.webhook = w.id AND (s.expires IS NULL OR s.expires > $1) "
            "WHERE w.enabled = 1 UNION ALL "
            "SELECT r.workspace, r.id, s.sealed FROM inbound_routes AS r LEFT JOIN inbound_secrets AS s "
            "ON s.workspace = r.workspace AND s.route = r.id AND (s.expires IS NULL OR s.expires > $1) "
            "WHERE r.enabled = 1",
            now,
        )
        return [(r[0], r[1], r[2]) for r in rows]

    async def verified_domains(self) -> list[tuple[int | None, int]]:
        """(last checked, failures since) of every verified domain."""
        rows = await self._tx.rows("SELECT checked_at, failures FROM domains WHERE state = 'verified'")
        return [(r[0], r[1]) for r in rows]


def _id_at(us: int) -> bytes:
    """The smallest id of a time."""
    return max(0, us // 1000).to_bytes(6, "big") + bytes(10)
