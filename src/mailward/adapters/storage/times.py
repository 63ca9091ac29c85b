"""Times in the store: microseconds UTC since the epoch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import overload

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)


@overload
def to_us(when: datetime) -> int: ...
@overload
def to_us(when: datetime | None) -> int | None: ...
def to_us(when: datetime | None) -> int | None:
    """Microseconds, exactly (no float on the way)."""
    return None if when is None else (when - _EPOCH) // _US


def from_us(us: int) -> datetime:
    """The aware time in UTC."""
    return _EPOCH + timedelta(microseconds=us)


def maybe_from_us(us: int | None) -> datetime | None:
    """The same, for a column that may be null."""
    return None if us is None else from_us(us)
