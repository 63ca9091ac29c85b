"""The index of the search, in runs.

One tree for all tokens would be touched all over by every few messages: once it is larger than the page cache, each
token costs a page to be read, decrypted, encrypted and written. So tokens are kept in runs of messages that follow each
other by id. Upkeep writes into the newest one; when that is full it begins another, the larger the more there is in
all, so that there are never many. A search walks them from the newest to the oldest and stops when it has found enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailward.adapters.storage.sqlite.sql import Sql

# A token on so many messages is a common one; counting further would cost more than it saves.
_COMMON = 2000
# Rows of a run: at least so many, some 250 pages; at most this part of all there are.
_ROWS = 8192
_PART = 256
_LAST = b"\xff" * 16
_HAS = "SELECT 1 FROM search AS o WHERE o.run = s.run AND o.message = s.message AND o.token = "


class SearchRuns:
    """The index of the scope's workspace."""

    def __init__(self, tx: Sql) -> None:
        self._tx = tx

    def found(self, tokens: Sequence[bytes], *, before: bytes | None, limit: int) -> list[bytes]:
        """Ids that carry every token, newest first: walk the list of the rarest token, probe the others."""
        if len(tokens) > 1:
            tokens = sorted(tokens, key=self._how_common)
        sql = (
            "SELECT s.message FROM search_runs AS r CROSS JOIN search AS s ON s.run = r.run AND s.token = ?1 "
            "WHERE r.first < ?2 AND s.message < ?2"
        )
        params: list[object] = [tokens[0], before or _LAST]
        for n, token in enumerate(tokens[1:], start=3):
            sql += f" AND EXISTS ({_HAS}?{n})"
            params.append(token)
        params.append(limit)
        return [r[0] for r in self._tx.rows(f"{sql} ORDER BY r.run DESC, s.message DESC LIMIT ?{len(params)}", params)]

    def _how_common(self, token: bytes) -> int:
        sql = (
            "SELECT count(*) FROM (SELECT 1 FROM search_runs AS r CROSS JOIN search AS s "
            "ON s.run = r.run AND s.token = ? LIMIT ?)"
        )
        return int(self._tx.rows(sql, (token, _COMMON))[0][0])

    def add(self, rows: Sequence[tuple[bytes, bytes]]) -> None:
        """(token, message) pairs of messages newer than all that are there."""
        if not rows:
            return
        run, held = self._open_run()
        if held is None:
            first = min(message for _, message in rows)
            self._tx.run("INSERT INTO t_search_runs(workspace, run, first, rows) VALUES (scope(),?,?,0)", (run, first))
        # In the order of the tree, so that neighbours are written one after the other.
        self._tx.many(
            "INSERT OR IGNORE INTO t_search(workspace, run, token, message) VALUES (scope(),?,?,?)",
            [(run, token, message) for token, message in sorted(rows)],
        )
        held = (held or 0) + len(rows)
        self._tx.run("UPDATE t_search_runs SET rows = ? WHERE workspace = scope() AND run = ?", (held, run))

    def _open_run(self) -> tuple[int, int | None]:
        """The number of the run to write into, and how many rows it has; None where it is yet to be made."""
        newest = self._tx.row("SELECT run, rows FROM search_runs ORDER BY run DESC LIMIT 1")
        if newest is None:
            return 1, None
        run, rows = newest
        if rows < _ROWS:
            return run, rows
        ((total,),) = self._tx.rows("SELECT sum(rows) FROM search_runs")
        return (run, rows) if rows < total // _PART else (run + 1, None)

    def remove(self, pairs: Sequence[tuple[bytes, bytes]]) -> None:
        """(token, message) pairs that are not to be found any more, whether they are there or not."""
        where: dict[bytes, int] = {}
        for message in {m for _, m in pairs}:
            found = self._tx.row("SELECT run FROM search_runs WHERE first <= ? ORDER BY run DESC LIMIT 1", (message,))
            if found is not None:
                where[message] = found[0]
        self._tx.many(
            "DELETE FROM t_search WHERE workspace = scope() AND run = ? AND token = ? AND message = ?",
            sorted((where[message], token, message) for token, message in pairs if message in where),
        )
        # Never the newest: it may be written to, and no number is given twice.
        self._tx.many(
            "DELETE FROM t_search_runs WHERE workspace = scope() AND run = ?1 "
            "AND run < (SELECT max(o.run) FROM search_runs AS o) "
            "AND NOT EXISTS (SELECT 1 FROM search AS s WHERE s.run = ?1)",
            [(run,) for run in sorted(set(where.values()))],
        )
