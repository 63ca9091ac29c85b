"""Personal logins to the database: one role a grant, read-only, of one workspace, for as long as the grant lives.

The role's password is handed to the server as a SCRAM verifier, so that no log of statements
holds it. What the role may see is decided by policies that ask who signed in, not by a
setting that the person could change; they show nothing once the grant is over, also on
a connection that is still open. Only facts of mail are granted: no key, secret or token.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime
from typing import Any

from mailward.adapters.storage.times import to_us
from mailward.base.sources import Entropy

READER = "mailward_reader"
_TABLES = (
    "messages", "deliveries", "open_deliveries", "attempts", "timeline", "usage", "pauses", "domains", "suppressions",
    "webhook_jobs", "webhook_attempts", "received", "received_copies", "received_attempts",
)  # fmt: skip
_ROUNDS = 4096


def verifier(password: str, salt: bytes) -> str:
    """What PostgreSQL stores of a password (RFC 5802, RFC 7677)."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ROUNDS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    salt64, stored64, server64 = (base64.b64encode(b).decode() for b in (salt, stored, server))
    return f"SCRAM-SHA-256${_ROUNDS}:{salt64}${stored64}:{server64}"


async def make_login(
    admin: Any, owner: Any, access: bytes, workspace: bytes, ends: datetime, entropy: Entropy
) -> tuple[str, str]:
    """(role, password) for a grant; the password is nowhere else. One already made for the grant is replaced.

    `admin` is a connection that may make roles, `owner` one as the schema's owner. `access`
    and `workspace` are raw ids.
    """
    await _prepare(admin, owner)
    role = f"mailward_op_{access.hex()[-16:]}"
    await _drop(admin, owner, role)
    password = entropy.bytes(24).hex()
    # Hex, base64 and a time of ours: nothing from outside stands in these statements.
    await admin.execute(
        f"CREATE ROLE {role} LOGIN INHERIT CONNECTION LIMIT 3 IN ROLE {READER} "
        f"PASSWORD '{verifier(password, entropy.bytes(16))}' VALID UNTIL '{ends.isoformat()}'"
    )
    for setting in ("default_transaction_read_only = on", "search_path = mailward", "statement_timeout = '60s'"):
        await admin.execute(f"ALTER ROLE {role} SET {setting}")
    await owner.execute(
        "INSERT INTO mailward.operator_logins(role, access, bound, ends) VALUES ($1, $2, $3, $4)",
        role, access, workspace, to_us(ends),
    )  # fmt: skip
    return role, password


async def drop_ended(admin: Any, owner: Any, now: datetime) -> int:
    """Drop the roles of grants that are over; how many."""
    sql = "SELECT role FROM mailward.operator_logins WHERE ended IS NOT NULL OR ends <= $1"
    gone = [r[0] for r in await owner.fetch(sql, to_us(now))]
    for role in gone:
        await _drop(admin, owner, role)
    return len(gone)


async def _drop(admin: Any, owner: Any, role: str) -> None:
    await owner.execute("DELETE FROM mailward.operator_logins WHERE role = $1", role)
    await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", role)
    await admin.execute(f"DROP ROLE IF EXISTS {role}")


async def _prepare(admin: Any, owner: Any) -> None:
    """The group of such roles, and the policies for it. Doing it again does nothing."""
    if await admin.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", READER) is None:
        await admin.execute(f"CREATE ROLE {READER} NOLOGIN")
    database = await admin.fetchval("SELECT quote_ident(current_database())")
    await admin.execute(f"GRANT CONNECT ON DATABASE {database} TO {READER}")
    await owner.execute(f"GRANT USAGE ON SCHEMA mailward TO {READER}")
    await owner.execute(f"GRANT EXECUTE ON FUNCTION mailward.reader_workspace TO {READER}")
    for table in _TABLES:
        there = await owner.fetchval(
            "SELECT 1 FROM pg_policies WHERE schemaname = 'mailward' AND tablename = $1 AND policyname = 'reader'",
            table,
        )
        if there is None:
            await owner.execute(
                f"CREATE POLICY reader ON mailward.{table} FOR SELECT TO {READER} "
                "USING (workspace = mailward.reader_workspace())"
            )
        await owner.execute(f"GRANT SELECT ON mailward.{table} TO {READER}")
