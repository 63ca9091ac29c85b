"""Times in the store: microseconds UTC since the epoch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import overload

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@overload
def to_us(when: datetime) -> int: ...
@overload
def to_us(when: datetime | None) -> int | None: ...
def to_us(when: datetime | None) -> int | None:
    """Microseconds, exactly (no float on the way)."""
    return None if when is None else (when - _EPOCH) // _US


def from_us(us: int) -> datetime:
    """The aware time in UTC; what no datetime can say becomes the nearest that one can, so that the row can be read."""
    try:
        return _EPOCH + timedelta(microseconds=us)
    except OverflowError:
        return _FIRST if us < 0 else _LAST


def maybe_from_us(us: int | None) -> datetime | None:
    """The same, for a column that may be null."""
    return None if us is None else from_us(us)
