"""Who has the floor: which clients of one process may say something next, and which only wait for an answer.

Work that can wait a moment is best done while everybody waits. Whoever has such work asks `busy`, and is told by a
call when the last one who spoke has handed over a message.
"""

from __future__ import annotations

from collections.abc import Callable


class Floor:
    """Counts over all listeners that share it. Kept by their houses, from the event loop only."""

    __slots__ = ("_quiet", "present", "waiting")

    def __init__(self) -> None:
        self.present = 0
        self.waiting = 0
        self._quiet: Callable[[], None] | None = None

    @property
    def busy(self) -> bool:
        """Somebody is there who does not wait for what becomes of a message."""
        return self.present > self.waiting

    def on_quiet(self, call: Callable[[], None]) -> None:
        """`call` runs whenever a message was handed over and nobody is left who speaks. It must not raise."""
        self._quiet = call

    def handed_over(self) -> None:
        """One more waits for an answer."""
        self.waiting += 1
        self.look()

    def look(self) -> None:
        """Somebody handed over a message or left."""
        if self.waiting and self._quiet is not None and not self.busy:
            self._quiet()
