"""Is the clock to be believed enough to destroy by it?

A machine that wakes up with a wrong date, or is given one, finds every term over: retention would let go of all mail
and its keys, and pruning of the backups. Nothing is lost by destroying a day later. So a step ahead of more than two
days is believed once the clock has gone on from there for a day; a machine that was off that long waits that day, too.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

STEP = timedelta(days=2)
"""Ahead by more than this between two looks is no passing of time until it has lasted."""
LASTS = timedelta(days=1)


class Seen(msgspec.Struct, frozen=True):
    """What was seen of the clock: when it was believed last, and since when and until when it says something else."""

    believed: datetime
    since: datetime | None = None
    until: datetime | None = None


def look(seen: Seen | None, now: datetime) -> tuple[Seen, bool]:
    """What is to be remembered, and whether `now` is believed. The first look of all is."""
    if seen is None or now - seen.believed <= STEP:
        # Back is believed, too: by an earlier date less is over.
        return Seen(now), True
    if seen.since is None or seen.until is None or not seen.since <= now <= seen.until + STEP:
        return Seen(seen.believed, now, now), False
    if now - seen.since >= LASTS:
        return Seen(now), True
    return Seen(seen.believed, seen.since, max(now, seen.until)), False
