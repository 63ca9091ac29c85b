"""The host's clock and random source."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime


class SystemClock:
    """Wall time in UTC and a monotonic reading in seconds."""

    def now(self) -> datetime:
        """The time now, aware, in UTC."""
        return datetime.now(UTC)

    def now_us(self) -> int:
        """The same in microseconds UTC, without a date in between: rows and leases count so, many times a message."""
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        """Seconds that never go back, for deadlines."""
        return time.monotonic()


class SystemEntropy:
    """The operating system's random source.

    Nothing is read ahead on purpose: nonces come from here on several threads, and a
    block shared between two of them, or with a forked child, would repeat one.
    """

    __slots__ = ()

    def bytes(self, n: int) -> bytes:
        """`n` unpredictable bytes."""
        return os.urandom(n)
