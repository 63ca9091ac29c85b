"""Canonicalisation (RFC 6376 section 3.4), on whole bytes in C instead of line by line."""

from __future__ import annotations

import re

_TRAILING_CRLFS = re.compile(rb"(?:\r\n)+\Z")
# As patterns: searching two octets at once is several times slower than the regular expression engine's way.
_TWO_SPACES = re.compile(rb"  ")
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


def relaxed_body(body: bytes) -> bytes:
    """Section 3.4.4: runs of white space become one space, none at line ends, no empty lines at the end."""
    if b"\t" in body:
        body = body.replace(b"\t", b" ")
    while _TWO_SPACES.search(body):  # each round halves the runs
        body = body.replace(b"  ", b" ")
    if _SPACE_AT_END.search(body):
        body = body.replace(b" \r\n", b"\r\n")
    if body.endswith(b" "):
        body = body[:-1]
    body = _end(body)
    return body + b"\r\n" if body else b""


def simple_body(body: bytes) -> bytes:
    """Section 3.4.3: exactly one CRLF at the end, an empty body included."""
    return _end(body) + b"\r\n"


def _end(body: bytes) -> bytes:
    """The body without the line breaks at its end."""
    if body[-2:] != b"\r\n":
        return body
    if body[-4:-2] != b"\r\n":
        return body[:-2]
    stripped = body.rstrip(b"\r\n")
    tail = body[len(stripped) :]
    match = _TRAILING_CRLFS.search(tail)  # keeps a bare CR or LF that stands before them
    return stripped + tail[: match.start()] if match else body
