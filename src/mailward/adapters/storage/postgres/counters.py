"""Named numbers of the installation: epochs that tell every node its caches are old."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
        """Every counter. System scope."""
        return {r[0]: r[1] for r in await self._tx.rows("SELECT name, value FROM counters")}

    async def bump(self, name: str) -> int:
        """Add one; the new value. An epoch moves once, with the commit; until then this is the least it will be."""
        if name.endswith(_KEPT_SUFFIX):
            self._tx.announce(EPOCHS_MOVED)
        if name in EPOCHS:
            self._tx.moving.add(name)
            return await self.value(name)
        return int((await self._tx.outside(_BUMP, name))[0][0])

    async def value(self, name: str) -> int:
        """One counter, 0 before its first bump. Any scope."""
        rows = await self._tx.outside("SELECT value FROM counters WHERE name = $1", name)
        return (int(rows[0][0]) if rows else 0) + (name in self._tx.moving)
