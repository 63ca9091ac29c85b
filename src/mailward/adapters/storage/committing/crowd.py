"""When a commit begins while many send at once: together with as many as make it worth its price.

A commit costs much the same whatever it carries. Those whom one has answered come back with their next message a little
later, one after another; if the next commit begins with the first of them it carries few, and so do all that follow.
So while a crowd sends, a commit waits until half of those known to be at it have a message there, or for a moment since
the last one. The other half meanwhile is answered and spoken with, which keeps the processors busy. A message that
comes alone, or later than that moment, waits for nothing. Messages are counted, not who sends them: a batch is a crowd.
"""

from __future__ import annotations

# Seconds since the end of the last commit for which the next one waits at most.
PATIENCE = 0.003
# From so many messages on we speak of a crowd: fewer senders do not keep a machine busy, and only lose by waiting.
CROWD = 6
_HALF = 0.5
# What is left of the known number with each commit that saw fewer of them.
_FADES = 0.875


class Crowd:
    """What the last commits say about the next one. All times are seconds on one steady clock."""

    __slots__ = ("_enough", "_known", "_until")

    def __init__(self) -> None:
        self._enough = 0.0
        self._known = 0.0
        self._until = 0.0

    def answered(self, carried: int, arrived: int, now: float) -> None:
        """A commit is over that carried so many messages, while so many more arrived and wait."""
        self._known = max(carried + arrived, self._known * _FADES)
        self._enough = self._known * _HALF if self._known >= CROWD else 0.0
        self._until = now + PATIENCE

    def rest(self, waiting: int, now: float) -> float:
        """For how many seconds more the next commit may wait for others to come along; 0.0 to begin."""
        if waiting >= self._enough:
            return 0.0
        return max(0.0, self._until - now)
