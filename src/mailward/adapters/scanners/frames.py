"""What parent and child of an examination say to each other: a length and msgpack, over a socket pair."""

from __future__ import annotations

import msgspec


class Terms(msgspec.Struct, array_like=True, frozen=True):
    """The first frame: how the child has to limit itself, and where its rules are."""

    rules: str
    memory_bytes: int
    cpu_seconds: int


class Examination(msgspec.Struct, array_like=True, frozen=True):
    """What was found in one message. Texts are decoded for display and cut.

    `matches` are (rule, severity, path of the piece); `files` the names of its attachments; `notes` name what of its
    archives was not looked into. `complete` is False when the rules ran out of time.
    """

    subject: str = ""
    defects: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    parts: int = 0
    matches: tuple[tuple[str, str, str], ...] = ()
    notes: tuple[str, ...] = ()
    complete: bool = True
