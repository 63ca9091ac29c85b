"""Canonicalisation (RFC 6376 section 3.4), in C on long pieces instead of line by line.

A body is never copied whole: what is hashed comes in pieces, so a large one takes no memory of its own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

_PIECE = 1 << 16  # about what a processor keeps at hand; and other threads get their turn between two
_CRLF = b"\r\n"
_MANY = _CRLF * 1024
# As patterns: searching two octets at once is several times slower than the regular expression engine's way.
_TWO_SPACES = re.compile(rb"  ")
_EIGHT_SPACES = b" " * 8
_LONG_RUN = re.compile(rb" {8}+ *+")
_SPACE_AT_END = re.compile(rb" \r\n")
_WSP_RUN = re.compile(rb"[ \t]+")


def relaxed_header(name: bytes, raw: bytes) -> bytes:
    """One field, `name` in lower case, relaxed, with its CRLF (section 3.4.2)."""
    value = raw[raw.index(b":") + 1 :]
    if b"\x0b" in value or b"\x0c" in value or b"\r" in value.replace(b"\r\n", b""):
        # bytes.split would take these for white space; RFC 6376 does not.
        value = _WSP_RUN.sub(b" ", value.replace(b"\r\n", b"")).strip(b" ")
    else:
        value = b" ".join(value.split())
    return name + b":" + value + b"\r\n"


def body_hash(body: bytes, *, relaxed: bool) -> bytes:
    """The SHA-256 of the canonical body (section 3.7), which bh= says."""
    if not relaxed:
        whole = hashlib.sha256(memoryview(body)[: _end(body, len(body))])
        whole.update(_CRLF)
    elif len(body) <= _PIECE:
        whole = hashlib.sha256(relaxed_body(body))
    else:
        whole = hashlib.sha256()
        for piece in relaxed_pieces(body):
            whole.update(piece)
    return whole.digest()


def simple_body(body: bytes) -> bytes:
    """Section 3.4.3: exactly one CRLF at the end, an empty body included."""
    return body[: _end(body, len(body))] + _CRLF


def relaxed_body(body: bytes) -> bytes:
    """Section 3.4.4: runs of white space become one space, none at line ends, no empty lines at the end."""
    body = _collapsed(body)
    end = _end(body, len(body) - body.endswith(b" "))
    return body[:end] + _CRLF if end else b""


def relaxed_pieces(body: bytes, size: int = _PIECE) -> Iterator[bytes]:
    """`relaxed_body` in pieces, made of `size` octets each."""
    held = b""  # the next octet decides what becomes of it
    breaks = 0  # CRLFs that are left out if nothing follows them
    written = False
    for start in range(0, len(body), size):
        piece = _collapsed(held + body[start : start + size])
        held = b" \r" if piece.endswith(b" \r") else piece[-1:] if piece.endswith((b" ", b"\r")) else b""
        stop = len(piece) - len(held)
        end = _end(piece, stop)
        if end:
            yield from _line_breaks(breaks)
            yield piece[:end]
            breaks, written = 0, True
        breaks += (stop - end) // 2
    if held and held != b" ":
        yield from _line_breaks(breaks)
        yield held
        written = True
    if written:
        yield _CRLF


def _collapsed(text: bytes) -> bytes:
    if b"\t" in text:
        text = text.replace(b"\t", b" ")
    if _TWO_SPACES.search(text):
        if _EIGHT_SPACES in text:  # a long run costs no more than its beginning
            text = _LONG_RUN.sub(b" ", text)
        while _TWO_SPACES.search(text):  # each round halves the runs
            text = text.replace(b"  ", b" ")
    if _SPACE_AT_END.search(text):
        text = text.replace(b" \r\n", _CRLF)
    return text


def _end(text: bytes, end: int) -> int:
    """Where the line breaks begin that `text[:end]` ends in. A bare CR or LF before them is none."""
    while text.endswith(_MANY, 0, end):
        end -= len(_MANY)
    while text.endswith(_CRLF, 0, end):
        end -= 2
    return end


def _line_breaks(count: int) -> Iterator[bytes]:
    many, rest = divmod(count, len(_MANY) // 2)
    for _ in range(many):
        yield _MANY
    yield _CRLF * rest
