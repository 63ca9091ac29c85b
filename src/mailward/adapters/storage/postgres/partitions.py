"""Days: the partitions of the tables that grow by the message, sent or received."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import asyncpg

from mailward.adapters.storage.postgres.sealed import day_of

if TYPE_CHECKING:
    from mailward.adapters.storage.postgres.sql import Sql


class PgPartitions:
    """Makes days before rows need them and drops those that nobody keeps.

    Days are made ahead by upkeep; `ensure` makes one that upkeep has missed, so that a
    late upkeep costs the first message of a day some milliseconds and never its acceptance.
    """

    def __init__(self, tx: Sql) -> None:
        self._tx = tx
        self._there: set[int] = set()

    async def ensure(self, ids: Iterable[bytes]) -> None:
        """Make the days of these ids. No question is asked for a day this connection knows. Any scope."""
        for day in {day_of(id) for id in ids} - self._there:
            await self._make(day)

    async def make_ahead(self, today: int, days: int) -> None:
        """Make today (days since 1970) and the `days` after it. System scope."""
        for day in range(today, today + days + 1):
            if day not in self._there:
                await self._make(day)

    async def _make(self, day: int) -> None:
        row = await self._tx.row("SELECT make_day($1)", day)
        # What this transaction made itself may be rolled back: believe in it the next time.
        if row is not None and row[0]:
            self._there.add(day)

    async def days(self) -> list[int]:
        """Days that have partitions, oldest first. System scope."""
        return [r[0] for r in await self._tx.rows("SELECT day FROM partition_days ORDER BY day")]

    async def drop(self, day: int) -> bool:
        """Drop a day with all its messages. System scope.

        False when one of its deliveries is open, when a copy of received mail waits, or when others
        kept it in use for a second: it is tried again with the next run.
        """
        try:
            async with self._tx.attempt():
                row = await self._tx.row("SELECT drop_day($1)", day)
        except asyncpg.LockNotAvailableError:
            return False
        self._there.discard(day)
        return bool(row and row[0])
