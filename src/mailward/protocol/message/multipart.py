"""Delimiter lines of a multipart (RFC 2046 section 5.1.1), found in place and in linear time.

One reading for all of us: what is shown (`structure`) and what is rewritten (`transport`) divide a body alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_REST = re.compile(rb"(--)?[ \t]*(?:\r\n|\Z)")
_OPAQUE = frozenset(("multipart/signed", "multipart/encrypted"))


class Delimiter(NamedTuple):
    """`start` is where the CRLF before the line begins, which belongs to it; `stop` the first octet after its line."""

    start: int
    stop: int
    closes: bool


def delimiters(content: bytes, boundary: bytes, start: int, end: int) -> Iterator[Delimiter]:
    """The delimiter lines in `content[start:end]`, the closing one last.

    A line counts when it is the boundary, perhaps "--", and white space. The RFC would also take a line that
    goes on after the boundary; then a boundary that is the beginning of an inner one would cut the inner parts.
    """
    marker = b"--" + boundary
    at = start
    while (at := content.find(marker, at, end)) >= 0:
        after = at + len(marker)
        rest = _REST.match(content, after, end)
        if rest is None or (at != start and (at - start < 2 or content[at - 2 : at] != b"\r\n")):
            at = after
            continue
        closes = rest[1] is not None
        yield Delimiter(max(start, at - 2) if at != start else start, rest.end(), closes)
        if closes:
            return
        at = rest.end()


def is_opaque(kind: str) -> bool:
    """Whether nothing inside may be altered (RFC 1847 sections 2.1 and 2.2, RFC 3156 section 3)."""
    return kind in _OPAQUE
