"""PostgreSQL's transaction, as repositories ask it whose statements both stores understand."""

from __future__ import annotations

from typing import Any

from mailward.adapters.storage.postgres.sql import Row, Sql


class PgStatements:
    """Implements `adapters.storage.alike.statements.Statements`."""

    write = ""
    read = ""

    def __init__(self, tx: Sql) -> None:
        self._tx = tx

    async def rows(self, sql: str, *args: Any) -> list[Row]:
        """All rows."""
        return list(await self._tx.rows(sql, *args))

    async def row(self, sql: str, *args: Any) -> Row | None:
        """The first, or None."""
        return await self._tx.row(sql, *args)

    async def run(self, sql: str, *args: Any) -> int:
        """Execute; how many rows changed."""
        return int(await self._tx.run(sql, *args))
