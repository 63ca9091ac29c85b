"""Whether content comes fast enough: the time that octets earn can be saved up for one pause and no more."""

from __future__ import annotations


class Pace:
    """One message's, from its first octet to its last. Times in seconds on any one clock, rates in octets a second."""

    __slots__ = ("_at", "_left", "_octets")

    def __init__(self, grace: float, now: float, octets: int) -> None:
        """`octets` were received before it began; `grace` is the time it has to start with."""
        self._left = grace
        self._at = now
        self._octets = octets

    def late(self, now: float, octets: int, rate: float, pause: float) -> bool:
        """Whether it has taken longer than its octets allow at `rate`; a sender in time may pause for `pause`."""
        self._left = min(self._left - (now - self._at) + (octets - self._octets) / rate, pause)
        self._at = now
        self._octets = octets
        return self._left < 0
