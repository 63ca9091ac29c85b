"""Whether a worker may believe that what it leased is still its own."""

from __future__ import annotations

from mailward.core.nodes.model import FENCE_SECONDS, Answer


class Pulse:
    """The worker's own side of its heartbeat. Times are a steady clock's seconds."""

    def __init__(self, now: float, *, alone: bool = False) -> None:
        """`alone`: a store of one machine, where nobody waits for beats."""
        self._last = now
        self._alone = alone
        self.lost = False
        self.resting = False
        self.leads = alone
        self.nodes = 1

    def beaten(self, began: float, answer: Answer) -> None:
        """A beat that was begun at `began` is in the store."""
        self._last = max(self._last, began)
        self.resting, self.leads, self.nodes = answer

    def fresh(self, now: float) -> bool:
        """May something be begun? Others wait more than twice as long before they take over."""
        return self._alone or (not self.lost and now - self._last < FENCE_SECONDS)
