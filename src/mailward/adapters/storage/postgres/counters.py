"""Named numbers of the installation: epochs that tell every node its caches are old."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailward.adapters.storage import concerns

if TYPE_CHECKING:
    from mailward.adapters.storage.postgres.sql import Sql

# Everything that processes keep in memory and look at a few times a second: worth telling them of.
_KEPT_SUFFIX = "_epoch"
EPOCHS_MOVED = "epochs"
"""What the other processes are told."""
# Of these, those moved under a lock: what is accepted by an epoch is accepted before it moves.
EPOCHS = frozenset(("auth_epoch", "domains_epoch", "webhooks_epoch"))

_BUMP = (
    "INSERT INTO counters(name, value) VALUES ($1, 1) "
    "ON CONFLICT (name) DO UPDATE SET value = counters.value + 1 RETURNING value"
)


class PgCounters:
    """A counter only grows; whoever bumps it does so in the transaction of the change it announces."""

    def __init__(self, tx: Sql) -> None:
        self._tx = tx

    async def all(self) -> dict[str, int]:
        """Every counter but those of `concerns`. System scope."""
        sql = "SELECT name, value FROM counters WHERE name NOT LIKE 'moved/%'"
        return {r[0]: r[1] for r in await self._tx.rows(sql)}

    async def bump(self, name: str, *, own: bool = False) -> int:
        """Add one; the new value. An epoch moves with the commit; until then this is the least it will be.

        `own`: it concerns the workspace of this transaction alone.
        """
        if name.endswith(_KEPT_SUFFIX):
            self._tx.announce(EPOCHS_MOVED)
        if name in EPOCHS:
            self._tx.moving.append((name, self._tx.workspace if own else None))
            return await self.value(name)
        return int((await self._tx.outside(_BUMP, name))[0][0])

    async def value(self, name: str) -> int:
        """One counter, 0 before its first bump. Any scope."""
        rows = await self._tx.outside("SELECT value FROM counters WHERE name = $1", name)
        return (int(rows[0][0]) if rows else 0) + sum(name == moving for moving, _ in self._tx.moving)

    async def concerned(self) -> tuple[int, int]:
        """(auth, domains): the epochs at which something last changed that concerns this workspace, or might."""
        workspace = self._tx.workspace
        sql = "SELECT name, value FROM counters WHERE name = ANY($1)"
        rows = await self._tx.outside(sql, concerns.names(workspace))
        return concerns.since({r[0]: r[1] for r in rows}, self._tx.epochs, workspace)
