"""Files on their way out: looked into before the platform answers for them.

Only what can carry something is looked into: a message with a file, an attached message, or any part that is no text.
Plain text and HTML pass as they are, which is nearly all mail and costs it nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from mailward.base.errors import Invalid, Unavailable
from mailward.policy.scanning import Report, Subject, Verdict

_TYPE = "".join(f"[{c}{c.upper()}]" if c.isalpha() else c for c in "content-type:")
_SEEN = "|".join("".join(f"[{c}{c.upper()}]" for c in kind) + "/" for kind in ("text", "multipart"))
# Every message passes here: a pattern that begins with a line feed is searched three times faster than one with a flag.
_CARRIES = re.compile(rf"\n{_TYPE}[ \t]*+(?!{_SEEN})".encode())


_WINDOW = 1 << 18


def _carries(content: bytes) -> bool:
    """Whether a line names a type that is no text; other threads get their turn between two windows."""
    at = 0
    while at >= 0:
        stop = content.find(b"\n", at + _WINDOW)  # whole lines: the next window begins with the line feed
        if _CARRIES.search(content, at, len(content) if stop < 0 else stop) is not None:
            return True
        at = stop
    return False


class Looked(Protocol):
    """What looking into a message brought: the scanners' report, and why it could not be looked into, or ""."""

    @property
    def report(self) -> Report: ...

    @property
    def unexaminable(self) -> str: ...


class Looker(Protocol):
    """Takes a message apart where it can do no harm, and has the parts scanned."""

    async def read(self, content: bytes, subject: Subject) -> Looked: ...


class Inspection:
    """The scanners of a worker, for what is submitted."""

    def __init__(self, reader: Looker, hostname: str) -> None:
        self._reader = reader
        self._hostname = hostname

    def wants(self, content: bytes, files: Sequence[str]) -> bool:
        """Whether there is anything to look into."""
        return bool(files) or _CARRIES.match(b"\n" + content[:80]) is not None or _carries(content)

    async def require_clean(self, content: bytes, mail_from: str, recipients: Sequence[str]) -> None:
        """Raise Invalid `malware_refused` or `unexaminable`, or Unavailable `scanner_down`: never unscanned."""
        subject = Subject("127.0.0.1", self._hostname, mail_from, tuple(recipients))
        reading = await self._reader.read(content, subject)
        report = reading.report
        if report.verdict is Verdict.INFECTED:
            raise Invalid(
                "malware_refused", f"A file of this message is malware: {report.reason}.", field="attachments"
            )
        if reading.unexaminable:
            why = reading.unexaminable
            raise Invalid("unexaminable", f"This message cannot be examined: {why}.", field="attachments")
        if report.verdict is Verdict.UNAVAILABLE:
            raise Unavailable(
                "scanner_down", "The files of this message cannot be scanned now; please try again later.",
                detail=report.reason,
            )  # fmt: skip
