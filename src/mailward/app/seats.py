"""Connections of a source at once, counted over all nodes: a share that each machine gives out, and seats drawn beyond.

Each machine lets a source have its share of the limit by its own table, which costs no
question: half the limit, parted by the nodes that are alive. What goes beyond is drawn
from the other half, in blocks, from the store that the nodes share; so only a source
with many connections costs a question, and one for many of them. A connection is never
kept waiting: while the first block is fetched up to a block is let in. So a source
never has more than its limit and one block (a sixteenth of it) of each worker.

While the store is away a machine goes on with its share and what it has drawn.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from mailward.app.arrivals import Seats
from mailward.base.errors import Unavailable
from mailward.core.nodes.model import SeatWish
from mailward.policy.seats import block_of, share_of

_REFUSED_SECONDS = 1.0
_AWAY_SECONDS = 2.0


@dataclass(slots=True)
class _Hand:
    """What this worker has beyond its machine's share, of one source."""

    most: int
    used: int = 0
    drawn: int = 0
    refused_until: float = float("-inf")


class SharedSeats:
    """One a worker. Implements `app.arrivals.Seats`."""

    def __init__(
        self,
        draw: Callable[[Sequence[SeatWish]], Awaitable[list[int]]],
        machine: Seats,
        nodes: Callable[[], int],
        monotonic: Callable[[], float],
        secret: bytes,
    ) -> None:
        """`draw` sets what this worker holds in the store; `nodes` tells how many are alive; `secret` (up to 64 bytes,
        the same on all nodes) keys the hashes that the store sees."""
        self._draw = draw
        self._machine = machine
        self._nodes = nodes
        self._monotonic = monotonic
        self._secret = secret
        self._hands: dict[str, _Hand] = {}
        self._wanted: set[str] = set()
        self._fetching: asyncio.Task[None] | None = None

    def take(self, key: str, most: int) -> bool:
        """One more of this key, if that makes no more than `most` on all nodes."""
        if self._machine.take(key, share_of(most, self._nodes())):
            return True
        hand = self._hands.get(key)
        if hand is None:
            if self._nodes() < 2:
                return False
            hand = self._hands[key] = _Hand(most)
        block, left = block_of(most), hand.drawn - hand.used
        waits = self._monotonic() < hand.refused_until
        if left <= 0 and (waits or left <= -block):
            return False
        hand.used += 1
        if left <= block // 2 and not waits:
            self._want(key)
        return True

    def leave(self, key: str) -> None:
        """One fewer: first of what was drawn, so that others may have it."""
        hand = self._hands.get(key)
        if hand is None or not hand.used:
            self._machine.leave(key)
            return
        hand.used -= 1
        if not hand.used or hand.drawn - hand.used > 2 * block_of(hand.most):
            self._want(key)

    async def answered(self) -> None:
        """Wait until nothing is asked of the store."""
        if self._fetching is not None:
            await asyncio.wait({self._fetching})

    # -- the store's part ------------------------------------------------------------------------

    def _want(self, key: str) -> None:
        self._wanted.add(key)
        if self._fetching is None:
            self._fetching = asyncio.get_running_loop().create_task(self._fetch())

    async def _fetch(self) -> None:
        try:
            while self._wanted:
                keys, self._wanted = sorted(self._wanted), set()
                wishes = [self._wish(key) for key in keys]
                try:
                    given = await self._draw(wishes)
                except Unavailable:
                    # Nothing opens: who is over its share is refused, and what was drawn is kept, until it is back.
                    self._wanted.update(keys)
                    for key in keys:
                        self._hands[key].refused_until = self._monotonic() + _AWAY_SECONDS
                    await asyncio.sleep(_AWAY_SECONDS)
                    continue
                for key, wish, seats in zip(keys, wishes, given, strict=True):
                    self._receive(key, wish.want, seats)
        finally:
            self._fetching = None

    def _wish(self, key: str) -> SeatWish:
        hand = self._hands[key]
        want = hand.used + block_of(hand.most) if hand.used else 0
        cloak = hashlib.blake2b(key.encode(), digest_size=16, key=self._secret).hexdigest()
        return SeatWish(cloak, want, hand.most)

    def _receive(self, key: str, wanted: int, seats: int) -> None:
        hand = self._hands[key]
        hand.drawn = seats
        if seats < wanted:
            hand.refused_until = self._monotonic() + _REFUSED_SECONDS
        if not hand.used and not seats and key not in self._wanted:
            del self._hands[key]
