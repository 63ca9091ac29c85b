"""SQL of the suppression list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mailward.base import ids
from mailward.core.suppression.model import Entry, Reason

if TYPE_CHECKING:
    from mailward.adapters.storage.sqlite.sql import Sql

_COLUMNS = "id, address, stream, reason, source, created"
# Batches are padded to one of these sizes, so that a handful of statements serve every batch from the cache.
_AMONG = {
    n: f"SELECT token, stream, reason FROM suppressions WHERE token IN ({','.join('?' * n)})"  # noqa: S608
    for n in (1, 4, 16, 64, 256, 512)
}


def _entry(row: tuple[Any, ...]) -> Entry:
    return Entry(row[0], row[1], row[2], Reason(row[3]), row[4], row[5])


class SqliteSuppressions:
    """The suppressions repository on SQLite."""

    def __init__(self, tx: Sql) -> None:
        self._tx = tx

    async def among(self, tokens: Sequence[bytes]) -> dict[bytes, dict[str, Reason]]:
        """Those of the tokens that have entries: token -> {stream: reason}."""
        found: dict[bytes, dict[str, Reason]] = {}
        for start in range(0, len(tokens), 512):
            some = tokens[start : start + 512]
            size = next(n for n in _AMONG if n >= len(some))
            padded = [*some, *([some[-1]] * (size - len(some)))]
            for token, stream, reason in self._tx.rows(_AMONG[size], padded):
                found.setdefault(token, {})[stream] = Reason(reason)
        return found

    async def insert(self, rows: Sequence[tuple[bytes, Entry]]) -> int:
        """List addresses; one already listed on that stream keeps its entry. How many were new."""
        sql = (
            "INSERT INTO t_suppressions(workspace, token, stream, id, address, reason, source, created) "
            "VALUES (scope(),?,?,?,?,?,?,?) ON CONFLICT DO NOTHING"
        )
        return sum(
            self._tx.run(sql, (token, e.stream, e.id, e.address, e.reason.value, e.source, e.created))
            for token, e in rows
        )

    async def put_bounces(self, entries: Sequence[tuple[bytes, str, bytes, int]]) -> None:
        """Hard bounces: (token, address, message, at in microseconds) each, on every stream.

        The id is the time and part of the token: as unique as the token, and in order of time.
        """
        self._tx.many(
            "INSERT INTO t_suppressions(workspace, token, stream, id, address, reason, source, created) "
            "VALUES (scope(),?,'',?,?,'hard_bounce',?,?) ON CONFLICT DO NOTHING",
            [
                (token, (at // 1000).to_bytes(6, "big") + token[:10], address, ids.encode("msg", message), at)
                for token, address, message, at in entries
            ],
        )

    async def by_token(self, token: bytes) -> list[Entry]:
        """Every entry of an address, one a stream."""
        sql = f"SELECT {_COLUMNS} FROM suppressions WHERE token = ? ORDER BY stream"  # noqa: S608
        return [_entry(r) for r in self._tx.rows(sql, (token,))]

    async def by_id(self, id: bytes) -> Entry | None:
        """One entry."""
        row = self._tx.row(f"SELECT {_COLUMNS} FROM suppressions WHERE id = ?", (id,))  # noqa: S608
        return _entry(row) if row else None

    async def unname(self, id: bytes, instead: str) -> None:
        """Another text for an entry's address; it goes on working by its token."""
        self._tx.run("UPDATE t_suppressions SET address = ? WHERE workspace = scope() AND id = ?", (instead, id))

    async def delete(self, id: bytes) -> bool:
        """Remove one entry; False when it was not there."""
        return bool(self._tx.run("DELETE FROM t_suppressions WHERE workspace = scope() AND id = ?", (id,)))

    async def page(
        self, *, before: bytes | None, limit: int, search: str, reason: Reason | None, stream: str | None
    ) -> list[Entry]:
        """Newest first, ids below `before`."""
        where = ["id < ?"]
        args: list[Any] = [b"\xff" * 17 if before is None else before]
        if search:
            where.append("address LIKE ? ESCAPE '\\'")
            args.append("%" + search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%")
        if reason is not None:
            where.append("reason = ?")
            args.append(reason.value)
        if stream is not None:
            where.append("stream = ?")
            args.append(stream)
        sql = f"SELECT {_COLUMNS} FROM suppressions WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?"  # noqa: S608
        return [_entry(r) for r in self._tx.rows(sql, (*args, limit))]
