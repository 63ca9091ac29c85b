"""Memory that a crowd of large messages needed is given back in the first quiet moment after it.

The C library keeps what lies free between things that live, for as long as the process does: after
90 sessions of 50 kB some twelve megabytes in each worker, of which nothing is in use.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

_QUIET = 0.05
_WORKED_SECONDS = 0.5


def trim() -> None:
    """Give whole free pages back to the system, wherever they lie. Nothing where the C library cannot (musl)."""
    give = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if give is not None:
        give(0)


class Rest:
    """When to trim: once after work, and never beside it, since it takes a millisecond or two each time."""

    def __init__(self, trimmed: Callable[[], None] = trim) -> None:
        self._trim = trimmed
        self._looked = self._used = 0.0
        self._trimmed_at = 0.0

    def look(self, now: float, used: float) -> None:
        """Called every few seconds: `now` is monotonic seconds, `used` the processor seconds of the process so far."""
        share = (used - self._used) / max(now - self._looked, 0.001)
        self._looked, self._used = now, used
        if share < _QUIET and used - self._trimmed_at > _WORKED_SECONDS:
            self._trimmed_at = used
            self._trim()
