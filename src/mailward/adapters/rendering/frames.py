"""What parent and child of a rendering say to each other."""

from __future__ import annotations

import msgspec

from mailward.core.templates.model import Rendered, Sheet


class Terms(msgspec.Struct, array_like=True, frozen=True):
    """The first frame: how the child has to limit itself."""

    memory_bytes: int
    cpu_seconds: float


class Job(msgspec.Struct, array_like=True, frozen=True):
    """One rendering. `data` is a JSON object."""

    sheet: Sheet
    data: str


class Fault(msgspec.Struct, array_like=True, frozen=True):
    """Why a template did not render: the part ("subject", "html", "text", "layout"), the line from 1, the reason."""

    part: str
    line: int
    reason: str


class Made(msgspec.Struct, array_like=True, frozen=True):
    """A mail, or what is wrong."""

    mail: Rendered | None = None
    fault: Fault | None = None
