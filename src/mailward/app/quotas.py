"""Rates that all nodes draw from, with a little in hand: a quota of N a minute is N on any number of nodes.

A worker fetches units in blocks from the store and spends them from memory, so that
most requests and messages cost a comparison. A block is from a 256th of the quota to a
sixteenth, growing while it is spent quickly, and what was not spent within the window
is void: so no window sees more than the quota and one block of each worker. When
nothing is in hand, whoever asks waits for the next block.

While the store is away nothing opens: this machine goes on with a quarter of each rate,
counted by its workers together. The store is told keyed hashes in place of the keys.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from mailward.app.budgets import Budgets
from mailward.base.errors import Unavailable
from mailward.core.nodes.model import Draw, Grant
from mailward.policy.gcra import Decision, Rate

_QUICK_SECONDS = 1.0
_LARGEST_SHARE = 16
_SMALLEST_SHARE = 256
_AWAY_SHARE = 4
_AWAY_SECONDS = 1.0
_MOST = 50_000


@dataclass(slots=True)
class _Hand:
    """What this worker has of one bucket."""

    rate: Rate
    units: int = 0
    void_at: float = 0.0
    block: int = 1
    fetched: float = float("-inf")
    refused_until: float = float("-inf")
    left: int = 0
    reset: float = 0.0
    waiting: int = field(default=0)


class Quotas:
    """One a worker. Implements `app.budgets.Budgets`."""

    def __init__(
        self,
        draw: Callable[[Sequence[Draw]], Awaitable[list[Grant]]],
        monotonic: Callable[[], float],
        machine: Budgets,
        secret: bytes = b"",
    ) -> None:
        """`draw` is the store's, see `core.nodes.ports.Nodes`; `machine` counts what this machine does on its own.

        `secret` (up to 64 bytes, the same on all nodes) keys the hashes that the store sees.
        """
        self._draw = draw
        self._monotonic = monotonic
        self._machine = machine
        self._secret = secret
        self._away_until = float("-inf")
        self._hands: dict[tuple[str, str], _Hand] = {}
        self._wanted: set[tuple[str, str]] = set()
        self._fetching: asyncio.Task[None] | None = None
        self._round: asyncio.Future[None] | None = None

    def spend(self, key: str, rate: Rate, cost: int = 1) -> Decision | None:
        """Decide from what is in hand; None when only the store can say."""
        hand = self._hands.get((rate.name, key))
        now = self._monotonic()
        if hand is None:
            return self._alone(key, rate, cost) if now < self._away_until else None
        if hand.units >= cost and now < hand.void_at:
            hand.units -= cost
            if hand.units < hand.block // 4:
                self._want(rate.name, key)
            return Decision(True, hand.left + hand.units, hand.reset, 0.0)
        if now < hand.refused_until:
            return Decision(False, 0, hand.reset, hand.refused_until - now)
        return self._alone(key, rate, cost) if now < self._away_until else None

    def spend_now(self, key: str, rate: Rate, cost: int = 1) -> Decision:
        """The same for whom cannot wait. When only the store can say, this machine's own count decides this once."""
        decision = self.spend(key, rate, cost)
        if decision is None:
            decision = self._machine.spend_now(key, rate, cost)
            self._hand(key, rate)
            self._want(rate.name, key)
        return decision

    async def take(self, key: str, rate: Rate, cost: int = 1) -> Decision:
        """Decide, asking the store when nothing is in hand; while that is away, by this machine's share."""
        while (decision := self.spend(key, rate, cost)) is None:
            hand = self._hand(key, rate)
            hand.waiting += cost
            try:
                await self._fetched(rate.name, key)
            except Unavailable:
                return self._alone(key, rate, cost)
            finally:
                hand.waiting -= cost
        return decision

    def give_back(self, key: str, rate: Rate, cost: int = 1) -> None:
        """What was drawn was not used."""
        if hand := self._hands.get((rate.name, key)):
            hand.units += cost

    def _hand(self, key: str, rate: Rate) -> _Hand:
        hand = self._hands.get((rate.name, key))
        # A rate that was changed begins with nothing in hand.
        if hand is None or hand.rate != rate:
            hand = self._hands[rate.name, key] = _Hand(rate)
        return hand

    def _alone(self, key: str, rate: Rate, cost: int) -> Decision:
        share = Rate(f"{rate.name} alone", max(1, rate.quota // _AWAY_SHARE), rate.window)
        return self._machine.spend_now(key, share, cost)

    async def _fetched(self, name: str, key: str) -> None:
        """Wait until a round that began after now is over."""
        loop = asyncio.get_running_loop()
        self._want(name, key)
        if self._round is None:
            self._round = loop.create_future()
        await asyncio.shield(self._round)

    def _want(self, name: str, key: str) -> None:
        self._wanted.add((name, key))
        if self._fetching is None:
            self._fetching = asyncio.get_running_loop().create_task(self._fetch())

    async def _fetch(self) -> None:
        try:
            while self._wanted:
                round_, self._round = self._round, None
                wanted, self._wanted = sorted(self._wanted), set()
                hands = [self._hands[w] for w in wanted]
                try:
                    now = self._monotonic()
                    wishes = [
                        Draw(w[0], self._cloak(w[1]), self._wish(h, now), h.rate.quota, h.rate.window)
                        for w, h in zip(wanted, hands, strict=True)
                    ]
                    for hand, grant in zip(hands, await self._draw(wishes), strict=True):
                        self._receive(hand, grant)
                except Exception as e:
                    if isinstance(e, Unavailable):
                        self._away_until = self._monotonic() + _AWAY_SECONDS
                    if round_ is not None:
                        round_.set_exception(e)
                        round_.exception()  # seen, even if everybody who waited has gone
                else:
                    if round_ is not None:
                        round_.set_result(None)
        finally:
            self._fetching = None
            self._forget_idle()

    def _cloak(self, key: str) -> str:
        return hashlib.blake2b(key.encode(), digest_size=16, key=self._secret).hexdigest()

    def _wish(self, hand: _Hand, now: float) -> int:
        largest, smallest = (max(1, hand.rate.quota // n) for n in (_LARGEST_SHARE, _SMALLEST_SHARE))
        quick = now - hand.fetched < _QUICK_SECONDS
        hand.block = min(largest, hand.block * 2 if quick else max(smallest, hand.block // 2))
        return max(1, hand.block, hand.waiting)

    def _receive(self, hand: _Hand, grant: Grant) -> None:
        now = self._monotonic()
        if now >= hand.void_at:
            hand.units = 0
        hand.fetched, hand.void_at = now, now + hand.rate.window
        hand.units += grant.given
        hand.left, hand.reset = grant.left, grant.reset
        if not grant.given:
            hand.refused_until = now + max(grant.retry_after, 0.001)

    def _forget_idle(self) -> None:
        if len(self._hands) <= _MOST:
            return
        now = self._monotonic()
        self._hands = {
            k: h
            for k, h in self._hands.items()
            if h.waiting or k in self._wanted or now < max(h.void_at, h.refused_until)
        }
