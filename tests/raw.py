"""SQL behind a store's back: what whoever has the database in their hands can read and change.

Statements are written for the embedded store; for PostgreSQL, where a superuser runs
them, the few words that differ are put in its own.
"""

from __future__ import annotations

import re
from typing import Any

import asyncpg

from mailward.adapters.storage.sqlite.engine import SqliteStore
from tests.postgres_server import superuser_url

_WORDS = (
    (r"\bt_([a-z_]+)", r"\1"),
    (r"\bx'([0-9a-f]*)'", r"'\\x\1'::bytea"),
    (r"randomblob\((\d+)\)", r"decode(repeat('ab', \1), 'hex')"),
    (r"CAST\(replace\(CAST\((\w+) AS TEXT\), ('[^']*'), ('[^']*')\) AS BLOB\)",
     r"convert_to(replace(convert_from(\1, 'UTF8'), \2, \3), 'UTF8')"),
    # Facts are ciphertext there: what can be changed is an octet of it.
    (r"replace\(facts, '[^']*', '[^']*'\)", "set_byte(facts, 15, get_byte(facts, 15) # 1)"),
)  # fmt: skip


async def raw(store: Any, sql: str, *params: Any) -> list[tuple[Any, ...]]:
    """Run one statement, past every guard of the store; its rows."""
    if isinstance(store, SqliteStore):

        async def verb(tx: Any) -> list[tuple[Any, ...]]:
            return [tuple(r) for r in tx.rows(sql, params)]

        return await store.system_write(verb)
    for pattern, text in _WORDS:
        sql = re.sub(pattern, text, sql)
    numbers = iter(range(1, 100))
    sql = re.sub(r"\?", lambda _: f"${next(numbers)}", sql)
    db = await asyncpg.connect(superuser_url(store), ssl=False)
    try:
        await db.execute("SET search_path = mailward")
        return [tuple(r) for r in await db.fetch(sql, *params)]
    finally:
        await db.close()


async def tables(store: Any) -> list[str]:
    """Every table, by the name that `raw` takes."""
    if isinstance(store, SqliteStore):
        return [r[0] for r in await raw(store, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    kinds = "SELECT relname::text FROM pg_class WHERE relnamespace = 'mailward'::regnamespace AND relkind IN ('r', 'p')"
    return sorted(r[0] for r in await raw(store, kinds))


async def dump(store: Any) -> str:
    """Every row of every table as text."""
    return "\n".join([repr(await raw(store, f'SELECT * FROM "{name}"')) for name in await tables(store)])
