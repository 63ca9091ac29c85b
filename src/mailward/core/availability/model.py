"""Minutes, days, outages, and what an operator says about them."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import msgspec

SERVICES = ("api", "submission", "mx")
MINUTE_US = 60_000_000
MINUTES_A_DAY = 1440
NOT_RUNNING = "all"
"""The services of an outage in which nobody measured, because nothing ran."""


class Minute(NamedTuple):
    """What the probes of one minute found. `minute` counts from 1970; None is a door this installation has not."""

    minute: int
    api: bool | None
    submission: bool | None
    mx: bool | None

    @property
    def failed(self) -> tuple[str, ...]:
        """Doors that did not answer within their limits."""
        return tuple(name for name in SERVICES if getattr(self, name) is False)


class Day(NamedTuple):
    """A UTC day: `day` counts from 1970; of its `measured` minutes so many were good, and each door answered in."""

    day: int
    measured: int
    good: int
    api: int
    submission: int
    mx: int
    last: int
    """The newest minute that was counted."""


class Outage(NamedTuple):
    """Minutes [began, until) in which these doors did not answer."""

    began: int
    until: int
    services: str


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator says about an incident. `updates` are (when, what), oldest first."""

    id: str
    at: datetime
    ended: datetime | None
    title: str
    updates: tuple[tuple[datetime, str], ...]
