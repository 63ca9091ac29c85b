"""SQL of redaction: private parts of messages under way, marks and what waits. Nothing here is readable as it lies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from mailward.adapters.storage.alike.statements import Statements


class Bound(Protocol):
    """A transaction, which is bound to a workspace whenever this is asked."""

    @property
    def workspace(self) -> bytes | None: ...


class RedactionRows:
    """Implements `core.redaction.ports.RedactionRepo`."""

    def __init__(self, sql: Statements, tx: Bound) -> None:
        self._sql = sql
        self._tx = tx

    async def keep(self, rows: Sequence[tuple[bytes, bytes]]) -> None:
        """(message, sealed private part) each."""
        for message, sealed in rows:
            await self._sql.run(
                f"INSERT INTO {self._sql.write}private_parts(workspace, message, sealed) VALUES ($1, $2, $3)",  # noqa: S608
                self._tx.workspace, message, sealed,
            )  # fmt: skip

    async def private(self, message: bytes) -> bytes | None:
        """The sealed private part, or None."""
        sql = f"SELECT sealed FROM {self._sql.read}private_parts WHERE workspace = $1 AND message = $2"  # noqa: S608
        row = await self._sql.row(sql, self._tx.workspace, message)
        return bytes(row[0]) if row else None

    async def privates(self, after: bytes, limit: int) -> list[bytes]:
        """Messages that have one, in order of their ids."""
        sql = (
            f"SELECT message FROM {self._sql.read}private_parts WHERE workspace = $1 AND message > $2 "  # noqa: S608
            "ORDER BY message LIMIT $3"
        )
        return [bytes(r[0]) for r in await self._sql.rows(sql, self._tx.workspace, after, limit)]

    async def destroy(self, messages: Iterable[bytes]) -> int:
        """Delete the private parts of these; how many there were."""
        sql = f"DELETE FROM {self._sql.write}private_parts WHERE workspace = $1 AND message = $2"  # noqa: S608
        return sum([await self._sql.run(sql, self._tx.workspace, m) for m in messages])

    async def marks(self) -> dict[str, bytes]:
        """By kind and field: the last message that was redacted, or waits."""
        sql = f"SELECT kind, upto FROM {self._sql.read}redaction WHERE workspace = $1"  # noqa: S608
        return {r[0]: bytes(r[1]) for r in await self._sql.rows(sql, self._tx.workspace)}

    async def mark(self, kind: str, upto: bytes) -> None:
        """Move one on."""
        await self._sql.run(
            f"INSERT INTO {self._sql.write}redaction(workspace, kind, upto) VALUES ($1, $2, $3) "  # noqa: S608
            "ON CONFLICT (workspace, kind) DO UPDATE SET upto = excluded.upto",
            self._tx.workspace, kind, upto,
        )  # fmt: skip

    async def unmark(self, kind: str) -> None:
        """As if it had never run."""
        for table in ("redaction", "redaction_waiting"):
            sql = f"DELETE FROM {self._sql.write}{table} WHERE workspace = $1 AND kind = $2"  # noqa: S608
            await self._sql.run(sql, self._tx.workspace, kind)

    async def wait(self, kind: str, messages: Iterable[bytes]) -> None:
        """Note that these were not redacted yet."""
        sql = (
            f"INSERT INTO {self._sql.write}redaction_waiting(workspace, kind, message) VALUES ($1, $2, $3) "  # noqa: S608
            "ON CONFLICT DO NOTHING"
        )
        for message in messages:
            await self._sql.run(sql, self._tx.workspace, kind, message)

    async def waiting(self, kind: str, after: bytes, limit: int) -> list[bytes]:
        """Some of these, oldest first."""
        sql = (
            f"SELECT message FROM {self._sql.read}redaction_waiting "  # noqa: S608
            "WHERE workspace = $1 AND kind = $2 AND message > $3 ORDER BY message LIMIT $4"
        )
        return [bytes(r[0]) for r in await self._sql.rows(sql, self._tx.workspace, kind, after, limit)]

    async def waited(self, kind: str, messages: Iterable[bytes]) -> None:
        """They wait no more."""
        sql = (
            f"DELETE FROM {self._sql.write}redaction_waiting "  # noqa: S608
            "WHERE workspace = $1 AND kind = $2 AND message = $3"
        )
        for message in messages:
            await self._sql.run(sql, self._tx.workspace, kind, message)
