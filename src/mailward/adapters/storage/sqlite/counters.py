"""Named numbers of the installation: epochs that tell workers their caches are old."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailward.adapters.storage import concerns

if TYPE_CHECKING:
    from mailward.adapters.storage.sqlite.sql import Sql


# Everything that processes keep in memory and look at a few times a second: worth telling them of.
_KEPT_SUFFIX = "_epoch"


class SqliteCounters:
    """A counter only grows; whoever bumps it does so in the transaction of the change it announces."""

    def __init__(self, tx: Sql) -> None:
        self._tx = tx

    async def all(self) -> dict[str, int]:
        """Every counter but those of `concerns`. System scope."""
        return dict(self._tx.rows("SELECT name, value FROM counters WHERE name NOT LIKE 'moved/%'"))

    async def bump(self, name: str, *, own: bool = False) -> int:
        """Add one; the new value. Any scope. `own`: it concerns the workspace of this transaction alone."""
        if name.endswith(_KEPT_SUFFIX):
            self._tx.announced.add("epochs")
        rows = self._tx.outside(
            "INSERT INTO counters(name, value) VALUES (?, 1) "
            "ON CONFLICT(name) DO UPDATE SET value = value + 1 RETURNING value",
            (name,),
        )
        value = int(rows[0][0])
        if name in concerns.EPOCHS:
            known = await self.value(concerns.last(name))
            told = concerns.told(name, value - 1, value, known, [self._tx.workspace if own else None])
            for place, at in told.items():
                self._tx.outside(
                    "INSERT INTO counters(name, value) VALUES (?, ?) ON CONFLICT(name) DO UPDATE SET value = ?",
                    (place, at, at),
                )
        return value

    async def concerned(self) -> tuple[int, int]:
        """(auth, domains): the epochs at which something last changed that concerns this workspace, or might."""
        workspace = self._tx.workspace
        places = concerns.names(workspace)
        sql = f"SELECT name, value FROM counters WHERE name IN ({','.join('?' * len(places))})"  # noqa: S608
        return concerns.since(dict(self._tx.outside(sql, places)), self._tx.epochs, workspace)

    async def value(self, name: str) -> int:
        """One counter, 0 before its first bump. Any scope."""
        rows = self._tx.outside("SELECT value FROM counters WHERE name = ?", (name,))
        return int(rows[0][0]) if rows else 0
