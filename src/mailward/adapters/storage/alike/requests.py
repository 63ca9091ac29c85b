"""SQL of the request log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mailward.adapters.storage.alike.statements import Statements
from mailward.core.requests.model import Request

_COLUMNS = "id, method, operation, status, us, actor"
_LAST = b"\xff" * 18


class Requests:
    """Implements `core.requests.ports.RequestsRepo`."""

    def __init__(self, sql: Statements) -> None:
        self._sql = sql

    async def add(self, rows: Sequence[tuple[bytes, Request]]) -> None:
        """One statement each: a batch is a few dozen rows, and nobody waits for it."""
        table = f"{self._sql.write}requests"
        for workspace, r in rows:
            await self._sql.run(
                f"INSERT INTO {table}(workspace, {_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7) "  # noqa: S608
                "ON CONFLICT (workspace, id) DO NOTHING",
                workspace,
                *r,
            )

    async def page(
        self, *, before: bytes | None, limit: int, failed: bool, operation: str, actor: str
    ) -> list[Request]:
        """Newest first, by the key."""
        args: list[Any] = [before or _LAST]
        where = "id < $1"
        if failed:
            where += " AND status >= 400"
        for column, wanted in (("operation", operation), ("actor", actor)):
            if wanted:
                args.append(wanted)
                where += f" AND {column} = ${len(args)}"
        args.append(limit)
        sql = (
            f"SELECT {_COLUMNS} FROM {self._sql.read}requests WHERE {where} "  # noqa: S608
            f"ORDER BY id DESC LIMIT ${len(args)}"
        )
        return [Request(*row) for row in await self._sql.rows(sql, *args)]

    async def drop(self, before: bytes, most: int) -> int:
        """In the workspace's own scope."""
        last = await self._sql.row(
            f"SELECT id FROM {self._sql.read}requests ORDER BY id DESC LIMIT 1 OFFSET $1",  # noqa: S608
            most,
        )
        # The one that is one too many goes, too.
        below = max(before, last[0] + b"\x00") if last is not None else before
        own = " AND workspace = scope()" if self._sql.write else ""
        return await self._sql.run(f"DELETE FROM {self._sql.write}requests WHERE id < $1{own}", below)  # noqa: S608
