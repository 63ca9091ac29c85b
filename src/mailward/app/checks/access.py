"""AUTHZ-2, KEYS-1, AUTHN-1 and AUTHN-2: what the database refuses, and what it does not hold."""

from __future__ import annotations

import re

import apsw

from mailward.adapters.storage.sqlite.connection import connect
from mailward.adapters.storage.sqlite.scope import ScopeGuard
from mailward.adapters.storage.sqlite.tx import SqliteTx
from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.core.evidence.model import Finding, failed, passed

_SHA256 = 32
# OWASP's least for Argon2id: 19 MiB with two passes.
_LEAST_MEMORY_KIB, _LEAST_PASSES = 19_456, 2


@check("AUTHZ-2")
async def no_scope_no_rows(context: Context) -> Finding:
    """Raw SQL on the application's own kind of connection fails without a scope, and past one."""
    db = connect(context.settings.data / "state.db", context.installation.vault.database_key())
    try:
        tables = [
            str(r[0])
            for r in db.execute("SELECT name FROM sqlite_master WHERE type='table' AND name LIKE 't\\_%' ESCAPE '\\'")
        ]
        guard = ScopeGuard(db)
        guard.install(db)
        for where, workspace in (("outside any scope", None), ("around the scope's view", b"\xff" * 16)):
            guard.enter(workspace, system=False)
            for table in tables:
                guard.begin_statement()
                try:
                    db.execute(f"SELECT count(*) FROM {table}").fetchall()  # noqa: S608  # names from our own schema
                except apsw.AuthError:
                    continue
                return failed(f"{table} could be read {where}")
    finally:
        db.close()
    return passed(f"raw SQL on {len(tables)} tables is refused without a scope and around a scope's views")


@check("KEYS-1")
async def keys_are_hashes(context: Context) -> Finding:
    """Every live key and SMTP password in the store is a 32-byte hash; no column holds a token."""
    rows = await context.store.system_read(_credentials)
    wrong = [kind for kind, token_hash, *_ in rows if kind != "network" and len(token_hash or b"") != _SHA256]
    if wrong:
        return failed(f"{len(wrong)} credentials are not stored as a hash")
    longest = max((len(str(hint)) for _, _, hint in rows), default=0)
    if longest > 16:
        return failed("a credential's hint is longer than a hint should be")
    return passed(f"{len(rows)} credentials: hashes of 32 bytes, hints of {longest} characters at most")


async def _credentials(tx: SqliteTx) -> list[tuple[str, bytes | None, str]]:
    return [(r[0], r[1], r[2]) for r in tx.rows("SELECT kind, token_hash, hint FROM t_credentials")]


@check("AUTHN-1")
async def passwords_are_argon2id(context: Context) -> Finding:
    """Every stored password parses as Argon2id at OWASP's parameters or stronger."""
    stored = await context.store.system_read(_passwords)
    for text in stored:
        match = re.match(r"\$argon2id\$v=19\$m=(\d+),t=(\d+),p=\d+\$[^$]{16,}\$[^$]{32,}$", text)
        if match is None or int(match[1]) < _LEAST_MEMORY_KIB or int(match[2]) < _LEAST_PASSES:
            return failed("a stored password is not Argon2id of the demanded strength")
    return passed(f"{len(stored)} stored passwords: Argon2id, at least {_LEAST_MEMORY_KIB} KiB and 2 passes")


async def _passwords(tx: SqliteTx) -> list[str]:
    return [str(r[0]) for r in tx.rows("SELECT password FROM users")]


@check("AUTHN-2")
async def sessions_are_hashes(context: Context) -> Finding:
    """Every stored session is a 32-byte hash of its token."""
    sizes = await context.store.system_read(_sessions)
    if any(size != _SHA256 for size in sizes):
        return failed("a session is not stored as a hash")
    return passed(f"{len(sizes)} sessions, each a hash of 32 bytes")


async def _sessions(tx: SqliteTx) -> list[int]:
    return [int(r[0]) for r in tx.rows("SELECT length(token_hash) FROM t_sessions")]
