"""Tag lists (RFC 6376 section 3.2)."""

from __future__ import annotations

import re

_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9_]*")
_FWS = re.compile(rb"[ \t\r\n]+")
# tval: printable without ";", with white space only between.
_BAD_VALUE = re.compile(rb"[^\t\r\n -:<-~\x80-\xff]")

MAX_TAGS = 50


def parse(text: bytes) -> dict[bytes, bytes] | None:
    """Tags by case-sensitive name; None when it is no tag list, a tag occurs twice, or there are more than 50."""
    found: dict[bytes, bytes] = {}
    pieces = text.split(b";", MAX_TAGS + 1)
    if pieces and not pieces[-1].strip(b" \t\r\n"):
        pieces.pop()
    if len(pieces) > MAX_TAGS:
        return None
    for piece in pieces:
        name, equals, value = piece.partition(b"=")
        name, value = name.strip(b" \t\r\n"), value.strip(b" \t\r\n")
        if not equals or not _NAME.fullmatch(name) or name in found or _BAD_VALUE.search(value):
            return None
        found[name] = value
    return found


def squeeze(value: bytes) -> bytes:
    """A value without any white space (base64, h=)."""
    return _FWS.sub(b"", value)
