"""The number of a segment and the name of its object: each follows from the other.

A row holds a segment as one 63-bit number, `day 16 | writer 21 | counter 26`; its object is
`segments/<yyyymmdd>/<writer>/<counter>`, fixed in width, so that listing gives days in order.
The day is that of the upload and counts from 1970-01-01, so retention finds what is old
without asking the database. The writer is a number that each process draws afresh from a
sequence when it starts: two writers that live never share a name. The counter starts
anywhere, so that a sequence set back by a restore still does not meet old names.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Final

WRITERS: Final = 1 << 21
COUNTERS: Final = 1 << 26
_DAYS: Final = 1 << 16
_EPOCH: Final = date(1970, 1, 1)
_NAME: Final = re.compile(r"segments/(\d{8})/([0-9a-f]{6})/([0-9a-f]{7})", re.ASCII)

FOLDER: Final = "segments/"


def segment_number(day: int, writer: int, counter: int) -> int:
    """The 63-bit number of a segment; ValueError when a part does not fit."""
    if not (0 <= day < _DAYS and 0 <= writer < WRITERS and 0 <= counter < COUNTERS):
        raise ValueError(f"no segment has day {day}, writer {writer}, counter {counter}")
    return (day << 21 | writer) << 26 | counter


def day_of_segment(segment: int) -> int:
    """The day of its upload, counted from 1970-01-01."""
    return segment >> 47


def object_name(segment: int) -> str:
    """The name of a segment's object, below the prefix."""
    writer = segment >> 26 & WRITERS - 1
    return f"{day_folder(day_of_segment(segment))}{writer:06x}/{segment & COUNTERS - 1:07x}"


def day_folder(day: int) -> str:
    """What the names of a day's objects begin with."""
    return f"{FOLDER}{(_EPOCH + timedelta(days=day)).strftime('%Y%m%d')}/"


def segment_of(name: str) -> int | None:
    """The segment that an object's name stands for; None for a name that is not ours."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    text, writer, counter = found.groups()
    try:
        day = (date(int(text[:4]), int(text[4:6]), int(text[6:])) - _EPOCH).days
        return segment_number(day, int(writer, 16), int(counter, 16))
    except ValueError:
        return None
