"""Named numbers of the installation: epochs that tell workers their caches are old."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailward.adapters.storage.sqlite.sql import Sql


# Everything that processes keep in memory and look at a few times a second: worth telling them of.
_KEPT_SUFFIX = "_epoch"


class SqliteCounters:
    """A counter only grows; whoever bumps it does so in the transaction of the change it announces."""

    def __init__(self, tx: Sql) -> None:
        self._tx = tx

    async def all(self) -> dict[str, int]:
        """Every counter. System scope."""
        return dict(self._tx.rows("SELECT name, value FROM counters"))

    async def bump(self, name: str) -> int:
        """Add one; the new value. Any scope."""
        if name.endswith(_KEPT_SUFFIX):
            self._tx.announced.add("epochs")
        rows = self._tx.outside(
            "INSERT INTO counters(name, value) VALUES (?, 1) "
            "ON CONFLICT(name) DO UPDATE SET value = value + 1 RETURNING value",
            (name,),
        )
        return int(rows[0][0])

    async def value(self, name: str) -> int:
        """One counter, 0 before its first bump. Any scope."""
        rows = self._tx.outside("SELECT value FROM counters WHERE name = ?", (name,))
        return int(rows[0][0]) if rows else 0
