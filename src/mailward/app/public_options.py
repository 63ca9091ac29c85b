"""Settings of what runs in the background for the public pages."""

from __future__ import annotations

import msgspec


class Evidence(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The schedule of `mailward verify`."""

    every_hours: int = 24
    """0: only when somebody runs it."""
    first_minutes: int = 10
    """After a start, plus up to half as much again so that nodes and restarts do not fall together."""


class Availability(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is probed each minute, and the target. Doors are this node's own listeners unless an address is named."""

    probe: bool = True
    target_percent: float = 99.9
    api: str = ""
    submission: str = ""
    mx: str = ""
    api_ms: int = 2000
    submission_ms: int = 5000
    mx_ms: int = 5000
    """A door that answers later than this did not answer."""
