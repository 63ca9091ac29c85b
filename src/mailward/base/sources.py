"""Where time and randomness come from. Real ones live in `adapters/host`; tests move theirs."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Wall time in UTC, and a monotonic reading in seconds for deadlines."""

    def now(self) -> datetime: ...

    def monotonic(self) -> float: ...


class Entropy(Protocol):
    """A source of unpredictable bytes."""

    def bytes(self, n: int) -> bytes: ...
