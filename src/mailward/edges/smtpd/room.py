"""How much message content may wait in the memory of one process, from its first octet until it is answered.

A session holds its message whole, and thousands may be open. So content is counted over all of them, and who would go
past the sum is refused for now (452 4.3.1): nobody waits for room. Small messages go on when large ones have filled
it: the last quarter is for those of at most 64 KiB.
"""

from __future__ import annotations

from collections.abc import Callable

SMALL = 65_536


def _nobody() -> None:
    """Who is told when nobody asked to be."""


class Room:
    """Counts over all sessions that share it, from the event loop only."""

    __slots__ = ("_all", "_large", "_outer", "_refused", "held")

    def __init__(self, octets: int, refused: Callable[[], None] = _nobody, outer: Room | None = None) -> None:
        """`refused` is called for each content turned away. Of `outer`, this is what some of its sessions may have."""
        self._all = octets
        self._large = octets - octets // 4
        self._outer = outer
        self._refused = refused
        self.held = 0

    def part(self, octets: int) -> Room:
        """Room for some sessions within this one: what they hold counts in both."""
        return Room(octets, self._refused, self)

    def fits(self, octets: int, whole: int) -> bool:
        """Whether a session may hold `octets` more, `whole` with them."""
        most = self._all if whole <= SMALL else self._large
        return self.held + octets <= most and (self._outer is None or self._outer.fits(octets, whole))

    def expects(self, octets: int) -> bool:
        """Whether a message of this announced size may be begun; 0 where none was announced."""
        if octets and not self.fits(octets, octets):
            self._refused()
            return False
        return True

    def hold(self, before: int, now: int) -> bool:
        """A session holds `now` octets in place of `before`. False when there is no room: then it has to let go."""
        if now > before and not self.fits(now - before, now):
            self._refused()
            return False
        self._add(now - before)
        return True

    def _add(self, octets: int) -> None:
        self.held += octets
        if self._outer is not None:
            self._outer._add(octets)

    @property
    def tight(self) -> bool:
        """More than half is taken: who holds much has to be quick."""
        return self.held * 2 > self._all or (self._outer is not None and self._outer.tight)
