"""What the nodes ask of the store they share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mailward.core.nodes.model import Answer, Beat, Draw, Grant, Identity, NodeSeen, SeatWish


class Nodes(Protocol):
    """Each call is a transaction of its own. Unavailable when the store is away. Times are the store's own."""

    async def claim(self, identity: Identity) -> None:
        """Take the node's number. Unavailable 'storage_node' while another machine that has it is alive."""

    async def beat(self, slot: int, generation: int, *, roles: str, for_node: bool) -> Answer | None:
        """Say that this worker lives, and with `for_node` that its node does. None when this generation was given up
        for dead. Of the workers with the upkeep role that are alive, the one with the lowest number leads."""

    async def beats(self) -> list[Beat]:
        """Every worker of every node that has beaten, and was not given up since."""

    async def give_up(self, dead: Sequence[Beat], now: int) -> int:
        """Return the leases of workers that have not beaten since; how many copies became due at `now`."""

    async def give_back(self, generation: int, now: int) -> int:
        """Return what one worker still has leased; how many copies."""

    async def orphans(self) -> int:
        """How many copies are leased to workers that are in no node's list: none, unless something is wrong."""

    async def stopped(self) -> None:
        """This node has ended in good order."""

    async def known(self) -> list[NodeSeen]:
        """Every node there has been, by number."""

    async def rest(self, node: int, on: bool) -> bool:
        """Have a node take no new work, or take work again; False when there is no such node."""

    async def forget(self, node: int) -> bool:
        """Strike a node that is not alive from the list; False when it is alive or unknown."""

    async def draw(self, wishes: Sequence[Draw]) -> list[Grant]:
        """Units of rates that all nodes share."""

    async def seat(self, generation: int, wishes: Sequence[SeatWish]) -> list[int]:
        """Set how many seats a worker holds of what all nodes share: as it wishes, or as many as are left. Those of a
        worker that has not beaten for `DEAD_SECONDS` count no more."""
