"""Who has fallen silent, as one observer has seen it with its own clock."""

from __future__ import annotations

from collections.abc import Sequence

from mailward.core.nodes.model import BEAT_SECONDS, DEAD_SECONDS, Beat

# Between two looks further apart than this the store may have been away, for everybody.
_LONGEST_GAP = 3 * BEAT_SECONDS


class Observer:
    """Compares what workers wrote with what they had written before, never a clock with another machine's.

    A worker is dead when its beat was seen to stand still for `DEAD_SECONDS` while this
    observer could look all the time. After the store was away (a restart, a promotion)
    everybody starts anew: nobody could beat.
    """

    def __init__(self) -> None:
        self._since: dict[tuple[int, int], tuple[int, float]] = {}
        self._looked = float("-inf")

    def look(self, beats: Sequence[Beat], now: float) -> list[Beat]:
        """The dead among these, at `now` (seconds of a steady clock)."""
        if now - self._looked > _LONGEST_GAP:
            self._since.clear()
        self._looked = now
        before, self._since = self._since, {}
        dead = []
        for beat in beats:
            who = (beat.slot, beat.generation)
            seen, since = before.get(who, (-1, now))
            if seen != beat.seen:
                since = now
            self._since[who] = (beat.seen, since)
            if now - since >= DEAD_SECONDS:
                dead.append(beat)
        return dead
