"""The Date field of a message whose time was moved: it says when it is sent, as it did when it was written."""

from __future__ import annotations

from datetime import UTC, datetime

from mailward.core.messages.model import MessageFacts
from mailward.protocol.message import fields


def redated(content: bytes, facts: MessageFacts) -> bytes:
    """The content with the Date of the time it is due, where its Date is the one that was written for another time.

    What a client dated itself stays. The length never changes (RFC 5322 section 3.3 as `fields.date` writes it).
    """
    if facts.dated is None:
        return content
    before, after = map(_line, facts.dated)
    written = 0
    if not content.startswith(before):
        written = content.find(b"\r\n" + before, 0, content.find(b"\r\n\r\n") + 2) + 2
        if written < 2:
            return content
    return b"".join((content[:written], after, content[written + len(before) :]))


def _line(at: int) -> bytes:
    return f"Date: {fields.date(datetime.fromtimestamp(at // 1_000_000, UTC))}\r\n".encode("ascii")
