"""Holding back the answer to whoever goes on beyond a limit.

A refusal costs little, but a client that asks again the moment it is refused makes thousands of them a second, on the
processor its neighbours use. So after a few refusals a second the answers of that tenant (or source) come late. Whoever
keeps to Retry-After does not notice; who has a few connections is slow on each of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from mailward.base.sources import Entropy

# Refusals a second of one tenant that are answered at once, and answers of a worker that are held at a time: beyond
# these, connections cost more than answers.
AT_ONCE = 5
PLACES = 256


class Tarpit:
    """One a worker, for all its doors. An answer is held for `seconds` up to twice as many, so that what was refused
    together does not come back together; 0 for never.
    """

    def __init__(
        self,
        seconds: float,
        monotonic: Callable[[], float],
        entropy: Entropy,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._seconds = seconds
        self._monotonic = monotonic
        self._entropy = entropy
        self._sleep = sleep
        self._second = 0
        self._refused: dict[str, int] = {}
        self._held = 0

    async def hold(self, who: str) -> None:
        """Return when the refusal of `who` may be told."""
        if not self._seconds or not self._beyond(who) or self._held >= PLACES:
            return
        self._held += 1
        try:
            await self._sleep(self._seconds * (1 + self._entropy.bytes(1)[0] / 256))
        finally:
            self._held -= 1

    def _beyond(self, who: str) -> bool:
        second = int(self._monotonic())
        if second != self._second:
            self._second, self._refused = second, {}
        if len(self._refused) >= PLACES and who not in self._refused:
            return True  # that many in a second are one attack, by whatever names
        count = self._refused[who] = self._refused.get(who, 0) + 1
        return count > AT_ONCE
