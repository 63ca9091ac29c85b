"""Rates that all nodes draw from, with a little in hand: a quota of N a minute is N on any number of nodes.

A worker fetches units in blocks from the store and spends them from memory, so that
most requests and messages cost a comparison. A block grows while it is spent quickly,
to a sixteenth of the quota at most, and what was not spent within seconds is void. When
nothing is in hand, whoever asks waits for the next block; when the store is away it
hears Unavailable, as it would when its message were recorded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from mailward.core.nodes.model import Draw, Grant
from mailward.policy.gcra import Decision, Rate

_VOID_SECONDS = 5.0
_QUICK_SECONDS = 1.0
_LARGEST_SHARE = 16
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
    """One a worker. Implements `edges.web.limits.Limiter`."""

    def __init__(
        self, draw: Callable[[Sequence[Draw]], Awaitable[list[Grant]]], monotonic: Callable[[], float]
    ) -> None:
        """`draw` is the store's, see `core.nodes.ports.Nodes`."""
        self._draw = draw
        self._monotonic = monotonic
        self._hands: dict[tuple[str, str], _Hand] = {}
        self._wanted: set[tuple[str, str]] = set()
        self._fetching: asyncio.Task[None] | None = None
        self._round: asyncio.Future[None] | None = None

    def spend(self, key: str, rate: Rate, cost: int = 1) -> Decision | None:
        """Decide from what is in hand; None when only the store can say."""
        hand = self._hands.get((rate.name, key))
        if hand is None:
            return None
        now = self._monotonic()
        if hand.units >= cost and now < hand.void_at:
            hand.units -= cost
            if hand.units < hand.block // 4:
                self._want(rate.name, key)
            return Decision(True, hand.left + hand.units, hand.reset, 0.0)
        if now < hand.refused_until:
            return Decision(False, 0, hand.reset, hand.refused_until - now)
        return None

    async def take(self, key: str, rate: Rate, cost: int = 1) -> Decision:
        """Decide, asking the store when nothing is in hand. Unavailable when that is away."""
        while (decision := self.spend(key, rate, cost)) is None:
            hand = self._hands.get((rate.name, key))
            if hand is None:
                hand = self._hands[rate.name, key] = _Hand(rate)
            hand.waiting += cost
            try:
                await self._fetched(rate.name, key)
            finally:
                hand.waiting -= cost
        return decision

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
                        Draw(w[0], w[1], self._wish(h, now), h.rate.quota, h.rate.window)
                        for w, h in zip(wanted, hands, strict=True)
                    ]
                    for hand, grant in zip(hands, await self._draw(wishes), strict=True):
                        self._receive(hand, grant)
                except Exception as e:
                    if round_ is not None:
                        round_.set_exception(e)
                        round_.exception()  # seen, even if everybody who waited has gone
                else:
                    if round_ is not None:
                        round_.set_result(None)
        finally:
            self._fetching = None
            self._forget_idle()

    def _wish(self, hand: _Hand, now: float) -> int:
        largest = max(1, hand.rate.quota // _LARGEST_SHARE)
        quick = now - hand.fetched < _QUICK_SECONDS
        hand.block = min(largest, hand.block * 2 if quick else max(1, hand.block // 2))
        return max(1, hand.block, hand.waiting)

    def _receive(self, hand: _Hand, grant: Grant) -> None:
        now = self._monotonic()
        if now >= hand.void_at:
            hand.units = 0
        hand.fetched, hand.void_at = now, now + _VOID_SECONDS
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
