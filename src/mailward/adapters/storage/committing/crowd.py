"""When a commit begins while many send at once: together with as many as make it worth its price.

A commit costs much the same whatever it carries. Those whom one has answered come back with their next message a little
later, one after another; if the next commit begins with the first of them it carries few, and so do all that follow.
So while a crowd sends, a commit waits for half of it, or for a moment since the last one. The other half meanwhile is
answered and spoken with, which keeps the processors busy.

A small crowd that answers at once is in step: what one commit answered comes back together, some milliseconds later.
Then all of it is waited for, which halves the number of commits. Beyond some two dozen messages a commit hardly gets
cheaper, so a large crowd stays with half. Who is slow, or has left, is not waited for: once half of the crowd is there,
the rest is given up when nobody comes for two milliseconds. Senders that come and go as they like are never in step; a
few commits that waited in vain say so, and it is tried again only now and then.

A message that comes alone, or later than all that, waits for nothing. Messages are counted, not who sends them: a batch
is a crowd.
"""

from __future__ import annotations

# Seconds since the end of the last commit for which half of the crowd is waited for; and where it is in step.
MOMENT = 0.003
PATIENCE = 0.01
# Seconds without a newcomer after which, with half of a crowd in step there, the rest of it is not waited for.
LULL = 0.002
# Seconds since the end of the last commit after which the next one begins, whoever else may come.
LONGEST = 0.02
# From so many messages on we speak of a crowd: fewer senders do not keep a machine busy, and only lose by waiting.
CROWD = 6
# Up to so many all are waited for.
SMALL = 24
_HALF = 0.5
# What is left of the known number with each commit that saw fewer of them.
_FADES = 0.875
# A commit that began without all of a crowd counts so much against its being in step, and one without half of it so
# much that two of them say that it is not: a single one may be anybody's pause. One with all of it makes good for one.
_MISSED = 2
_MISSED_HALF = 5
_MISSES = 8
# Commits after which it is tried again: at first, and after many failures.
TRIED_AGAIN = 32
_AT_MOST = 1024


class Crowd:
    """What the last commits say about the next one. All times are seconds on one steady clock."""

    __slots__ = (
        "_apart",
        "_apart_for",
        "_came",
        "_enough",
        "_known",
        "_last",
        "_missed",
        "_patience",
        "_there",
        "_wanted",
    )

    def __init__(self) -> None:
        self._known = 0.0
        self._enough = 0.0
        self._wanted = 0.0
        self._patience = MOMENT
        self._last = 0.0
        self._there = 0
        self._came = 0.0
        self._missed = 0
        self._apart = 0
        self._apart_for = TRIED_AGAIN

    @property
    def in_step(self) -> bool:
        """All of a crowd is waited for, and not only half."""
        return self._wanted > self._enough

    def answered(self, carried: int, arrived: int, now: float) -> None:
        """A commit is over that carried so many messages, while so many more arrived and wait."""
        if carried and self.in_step:
            self._learn(carried)
        self._known = max(carried + arrived, self._known * _FADES)
        self._enough = self._wanted = self._known * _HALF
        self._patience = MOMENT
        if self._known < CROWD:
            self._enough = self._wanted = 0.0
            self._missed = self._apart = 0
            self._apart_for = TRIED_AGAIN
        elif self._apart:
            self._apart -= 1
        else:
            self._wanted = max(self._enough, min(self._known, SMALL))
            if self.in_step:
                self._patience = PATIENCE
        self._last = self._came = now
        self._there = 0

    def rest(self, waiting: int, now: float) -> float:
        """For how many seconds more the next commit may wait for others to come along; 0.0 to begin.

        To be asked whenever a message arrived: that is how a lull is noticed.
        """
        if waiting >= self._wanted:
            return 0.0
        if waiting > self._there:
            self._there = waiting
            self._came = now
        end = self._last + self._patience
        if waiting >= self._enough:
            end = min(self._came + LULL, self._last + LONGEST)
        return max(0.0, end - now)

    def _learn(self, carried: int) -> None:
        """All of a crowd was waited for, and so many had come when the commit began."""
        if carried >= self._wanted:
            self._missed = max(0, self._missed - 1)
            self._apart_for = max(TRIED_AGAIN, self._apart_for * 15 // 16)
            return
        self._missed += _MISSED if carried >= self._enough else _MISSED_HALF
        if self._missed >= _MISSES:
            self._missed = 0
            self._apart = self._apart_for
            self._apart_for = min(2 * self._apart_for, _AT_MOST)
