"""The embedded store's transaction, as repositories ask it whose statements both stores understand."""

from __future__ import annotations

from typing import Any

from mailward.adapters.storage.sqlite.sql import Row, Sql


class SqliteStatements:
    """Implements `adapters.storage.alike.statements.Statements`."""

    write = "t_"

    def __init__(self, tx: Sql) -> None:
        self._tx = tx

    @property
    def read(self) -> str:
        """The view in a workspace's scope, the table in the system scope."""
        return "" if self._tx.workspace is not None else "t_"

    async def rows(self, sql: str, *args: Any) -> list[Row]:
        """All rows."""
        return self._tx.rows(sql, args)

    async def row(self, sql: str, *args: Any) -> Row | None:
        """The first, or None."""
        return self._tx.row(sql, args)

    async def run(self, sql: str, *args: Any) -> int:
        """Execute; how many rows changed."""
        return self._tx.run(sql, args)
