"""Who has work waiting: a skip through an index that costs by how many they are, not by how much waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailward.adapters.storage.sqlite.sql import Sql


def with_work(tx: Sql, table: str, of: str) -> list[tuple[bytes, bytes]]:
    """Every (workspace, `of`) of a table with a row that is still due, in order.

    The table has an index of open rows that begins with the two. A comparison of pairs would read as well, but SQLite
    begins such a range *at* the pair and steps over every row that equals it: with a thousand events waiting for
    an endpoint that is down, each look at the queue cost a thousand steps.
    """
    found: list[tuple[bytes, bytes]] = []
    within = (
        f"SELECT workspace, {of} FROM {table} WHERE due IS NOT NULL AND workspace = ? AND {of} > ? "  # noqa: S608
        f"ORDER BY {of} LIMIT 1"
    )
    beyond = (
        f"SELECT workspace, {of} FROM {table} WHERE due IS NOT NULL AND workspace > ? "  # noqa: S608
        f"ORDER BY workspace, {of} LIMIT 1"
    )
    row = tx.row(beyond, (b"",))
    while row is not None:
        last = (row[0], row[1])
        found.append(last)
        row = tx.row(within, last) or tx.row(beyond, (last[0],))
    return found


def due_but_for(tx: Sql, table: str, of: str, held: frozenset[bytes], now: int) -> bool:
    """Whether anything is due that does not wait for one of `held`."""
    sql = f"SELECT 1 FROM {table} WHERE workspace = ? AND {of} = ? AND due <= ? LIMIT 1"  # noqa: S608
    return any(
        one not in held and tx.row(sql, (workspace, one, now)) is not None
        for workspace, one in with_work(tx, table, of)
    )
