"""Numbered migrations with checksums, one transaction each, under a lock that all nodes share.

They run as the owner, a role that no part of the server connects as. During a rolling
upgrade nodes of two versions work on one schema: so a migration may add, and may take
away only what the version before no longer uses. It says so in its first line,
`-- keeps: N`: a program whose newest migration is number N or higher goes on working. A
program starts on a schema with migrations that it does not know when each of them keeps
it, and refuses one that does not say so.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from importlib import resources
from typing import Any

import asyncpg

from mailward.base.errors import Unavailable
from mailward.core.nodes.model import DEAD_SECONDS

OWNER_ROLE = "mailward_owner"
_LOCK = 0x4D57_4D49_4752_4154
# A migration that waits for a table keeps mail waiting behind it: it gives up soon and comes again.
_LOCK_TIMEOUT, _TRIES, _PAUSE_SECONDS = "5s", 6, 2.0
_KEEPS = re.compile(r"\A-- keeps: (\d{1,4})$", re.M)
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
    when an applied migration's text changed since, and before anything is applied when a
    migration does not keep the nodes working that are alive.
    """
    applied = []
    await _locked(owner, _record_table)
    await _locked(owner, _require_stopped)
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
        "ALTER TABLE schema_migrations ADD COLUMN IF NOT EXISTS keeps integer; "
        "GRANT USAGE ON SCHEMA mailward TO mailward_system; GRANT SELECT ON schema_migrations TO mailward_system"
    )


async def _require_stopped(db: Any) -> None:
    """Nodes that run must be kept working by every migration to come, or be stopped first."""
    known = {r[0] for r in await db.fetch("SELECT number FROM schema_migrations")}
    if not known or not await db.fetchval("SELECT to_regclass('mailward.nodes') IS NOT NULL"):
        return
    level = max(known)
    breaking = [
        f"{number:04d}_{name}"
        for number, name, sql in available()
        if number not in known and ((oldest := keeps(sql)) is None or oldest > level)
    ]
    if not breaking:
        return
    alive = await db.fetch(
        "SELECT node, name FROM nodes WHERE NOT stopped AND seen > $1 + "
        "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint ORDER BY node",
        -int(DEAD_SECONDS * 1_000_000),
    )
    if alive:
        raise MigrationError(
            f"migration {breaking[0]} does not keep the nodes working that run now: stop "
            + ", ".join(f"node {r[0]} ({r[1]})" for r in alive)
            + " first"
        )


async def _apply(db: Any, number: int, name: str, sql: str, now_us: int) -> bool:
    digest = _digest(sql)
    known = await db.fetchval("SELECT sha256 FROM schema_migrations WHERE number = $1", number)
    if known is not None:
        if known != digest:
            raise MigrationError(f"migration {number:04d}_{name} was changed after it was applied")
        return False
    await db.execute(sql)
    await db.execute(
        "INSERT INTO schema_migrations(number, name, sha256, applied, keeps) VALUES ($1,$2,$3,$4,$5)",
        number,
        name,
        digest,
        now_us,
        keeps(sql),
    )
    return True


def keeps(sql: str) -> int | None:
    """The oldest level of program that goes on working on a migration; None when it does not say."""
    found = _KEEPS.match(sql)
    return int(found[1]) if found else None


async def require_schema(db: Any) -> None:
    """In a transaction of the system role: Unavailable unless every migration of ours was applied as it is, and every
    other one keeps us working.
    """
    try:
        rows = await db.fetch("SELECT * FROM schema_migrations ORDER BY number")
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError, asyncpg.InsufficientPrivilegeError) as e:
        raise _unfit("the database has no schema of ours yet", e.sqlstate or "") from e
    known = {r["number"]: r["sha256"] for r in rows}
    ours = available()
    for number, name, sql in ours:
        if number not in known:
            raise _unfit(f"the database lacks migration {number:04d}_{name}", "")
        if known[number] != _digest(sql):
            raise _unfit(f"migration {number:04d}_{name} in the database is not the one of this version", "")
    level = ours[-1][0]
    for row in rows:
        if row["number"] in {number for number, _, _ in ours}:
            continue
        oldest = row.get("keeps")
        if oldest is None or oldest > level:
            raise Unavailable(
                "storage_schema",
                f"The database has migration {row['number']:04d}_{row['name']}, which this version does not know and "
                "which does not keep it working: run the newer version here too.",
                detail=f"level {level}",
            )


def _unfit(text: str, detail: str) -> Unavailable:
    return Unavailable("storage_schema", f"{text[0].upper()}{text[1:]}: run `mailward storage migrate`.", detail=detail)


def _digest(sql: str) -> str:
    return hashlib.sha256(sql.encode()).hexdigest()
