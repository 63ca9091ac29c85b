"""Bytes to text under a charset named by a stranger: tolerant, linear, never raising."""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

# Python calls these text encodings, but they are not charsets of mail: punycode and idna are quadratic,
# the escapes would turn backslashes into controls, "undefined" always raises.
_NOT_CHARSETS = frozenset(
    ("punycode", "idna", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem", "charmap")
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+-]{0,39}\Z")

# What a terminal, an HTML page or a header writer could take for a line break or a control.
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@lru_cache(maxsize=128)
def _codec(name: str) -> str | None:
    """Canonical codec name, or None when it is no text charset we decode."""
    if not _NAME.match(name):
        return None
    try:
        info = codecs.lookup(name)
    except (LookupError, ValueError):
        return None
    if not getattr(info, "_is_text_encoding", True) or info.name.replace("-", "_") in _NOT_CHARSETS:
        return None
    return info.name


def known(charset: str) -> bool:
    """Whether `decode` would honour this charset name."""
    return _codec(charset.lower()) is not None


def decode(data: bytes, charset: str = "utf-8") -> str:
    """Text of `data`; an unknown charset is read as UTF-8, and what does not decode becomes U+FFFD."""
    codec = _codec(charset.lower()) or "utf-8"
    if codec == "ascii":  # labelled us-ascii and yet 8-bit: UTF-8 is what it nearly always is
        codec = "utf-8"
    try:
        return data.decode(codec, "replace")
    except (UnicodeError, ValueError):  # some codecs raise whatever the error handler says
        return data.decode("utf-8", "replace")
