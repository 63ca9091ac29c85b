"""How a repository asks either store."""

from __future__ import annotations

from typing import Any, Protocol

Row = tuple[Any, ...]


class Statements(Protocol):
    """One transaction's SQL. `write` stands before the name of a workspace's table where it is written to, and `read`
    where it is read: the embedded store has a view and a table of two names.
    """

    @property
    def write(self) -> str: ...

    @property
    def read(self) -> str: ...

    async def rows(self, sql: str, *args: Any) -> list[Row]: ...

    async def row(self, sql: str, *args: Any) -> Row | None: ...

    async def run(self, sql: str, *args: Any) -> int:
        """How many rows it changed."""
