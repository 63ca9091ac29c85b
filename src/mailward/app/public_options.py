"""Settings of what runs in the background for the public pages."""

from __future__ import annotations

from typing import Annotated

import msgspec

from mailward.app.forms import Door, Within


class Evidence(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The schedule of `mailward verify`."""

    every_hours: Annotated[int, Within(0, 8760)] = 24
    """0: only when somebody runs it."""
    first_minutes: Annotated[int, Within(0, 1440)] = 10
    """After a start, plus up to half as much again so that nodes and restarts do not fall together."""


class Availability(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is probed each minute, and the target. Doors are this node's own listeners unless an address is named."""

    probe: bool = True
    target_percent: Annotated[float, Within(1, 99.9999)] = 99.9
    api: Annotated[str, Door()] = ""
    submission: Annotated[str, Door()] = ""
    mx: Annotated[str, Door()] = ""
    api_ms: Annotated[int, Within(1, 60_000)] = 2000
    submission_ms: Annotated[int, Within(1, 60_000)] = 5000
    mx_ms: Annotated[int, Within(1, 60_000)] = 5000
    """A door that answers later than this did not answer."""
