"""Numbered migrations with checksums, one transaction each, under a lock that all nodes share.

They run as the owner, a role that no part of the server connects as. During a rolling
upgrade nodes of two versions work on one schema: so a migration may add, and may take
away only what the version before no longer uses, and a node accepts migrations that are
newer than itself.
"""

from __future__ import annotations

import asyncio
import hashlib
from importlib import resources
from typing import Any

import asyncpg

from mailward.base.errors import Unavailable

OWNER_ROLE = "mailward_owner"
_LOCK = 0x4D57_4D49_4752_4154
# A migration that waits for a table keeps mail waiting behind it: it gives up soon and comes again.
_LOCK_TIMEOUT, _TRIES, _PAUSE_SECONDS = "5s", 6, 2.0
_PACKAGE = "mailward.adapters.storage.postgres"


class MigrationError(Exception):
    """The schema's history is not ours: an applied migration differs from the one shipped, or roles are missing."""


def available() -> list[tuple[int, str, str]]:
    """(number, name, sql) of every migration shipped with this version, ascending."""
    found = []
    for item in (resources.files(_PACKAGE) / "migrations").iterdir():
        if item.name.endswith(".sql"):
            number, _, name = item.name[:-4].partition("_")
            found.append((int(number), name, item.read_text("utf-8")))
    return sorted(found)


def bootstrap_sql() -> str:
    """What an administrator runs once: roles and schema."""
    return (resources.files(_PACKAGE) / "bootstrap.sql").read_text("utf-8")


async def bootstrap(admin: Any) -> None:
    """Create roles and schema over an administrator's connection. Again and again harmless."""
    await admin.execute(bootstrap_sql())


async def migrate(owner: Any, *, now_us: int) -> list[str]:
    """Bring the schema up to date over a connection that is, or may become, the owner; the names applied.

    A killed migration rolls back and is tried again at the next start. Raises MigrationError
    when an applied migration's text changed since.
    """
    applied = []
    await _locked(owner, _record_table)
    for number, name, sql in available():
        if await _locked(owner, lambda db, n=number, m=name, s=sql: _apply(db, n, m, s, now_us)):
            applied.append(f"{number:04d}_{name}")
    return applied


async def _locked(db: Any, act: Any) -> Any:
    """Run one step in a transaction under the lock, again when a table was in use."""
    for turn in range(1, _TRIES + 1):
        try:
            async with db.transaction():
                await db.execute(
                    f"SET LOCAL ROLE {OWNER_ROLE}; SET LOCAL search_path = mailward; "
                    f"SELECT pg_advisory_xact_lock({_LOCK}); SET LOCAL lock_timeout = '{_LOCK_TIMEOUT}'"
                )
                return await act(db)
        except asyncpg.LockNotAvailableError:
            if turn == _TRIES:
                raise
            await asyncio.sleep(_PAUSE_SECONDS)
        except (asyncpg.InvalidSchemaNameError, asyncpg.InvalidParameterValueError) as e:
            raise MigrationError(f"run the bootstrap SQL as an administrator first ({e.sqlstate})") from e
        except asyncpg.InsufficientPrivilegeError as e:
            raise MigrationError(f"this role may not act as {OWNER_ROLE}") from e
    return None


async def _record_table(db: Any) -> None:
    await db.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations"
        "(number integer PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL, applied bigint NOT NULL); "
        "GRANT USAGE ON SCHEMA mailward TO mailward_system; GRANT SELECT ON schema_migrations TO mailward_system"
    )


async def _apply(db: Any, number: int, name: str, sql: str, now_us: int) -> bool:
    digest = _digest(sql)
    known = await db.fetchval("SELECT sha256 FROM schema_migrations WHERE number = $1", number)
    if known is not None:
        if known != digest:
            raise MigrationError(f"migration {number:04d}_{name} was changed after it was applied")
        return False
    await db.execute(sql)
    await db.execute("INSERT INTO schema_migrations VALUES ($1,$2,$3,$4)", number, name, digest, now_us)
    return True


async def require_schema(db: Any) -> None:
    """In a transaction of the system role: Unavailable unless every migration of ours was applied as it is."""
    try:
        known = dict(await db.fetch("SELECT number, sha256 FROM schema_migrations"))
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError, asyncpg.InsufficientPrivilegeError) as e:
        raise _unfit("the database has no schema of ours yet", e.sqlstate or "") from e
    for number, name, sql in available():
        if number not in known:
            raise _unfit(f"the database lacks migration {number:04d}_{name}", "")
        if known[number] != _digest(sql):
            raise _unfit(f"migration {number:04d}_{name} in the database is not the one of this version", "")


def _unfit(text: str, detail: str) -> Unavailable:
    return Unavailable("storage_schema", f"{text[0].upper()}{text[1:]}: run `mailward storage migrate`.", detail=detail)


def _digest(sql: str) -> str:
    return hashlib.sha256(sql.encode()).hexdigest()
