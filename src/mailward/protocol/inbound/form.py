"""multipart/form-data as browsers write it (RFC 7578): fields in order, files with a name and a type."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from mailward.base.sources import Entropy


class Field(NamedTuple):
    """A field. With a `filename` it is a file; `content_type` "" says text."""

    name: str
    value: bytes
    filename: str = ""
    content_type: str = ""


def encode(fields: Iterable[Field], entropy: Entropy) -> tuple[str, bytes]:
    """(content type, body). The boundary occurs in none of the values."""
    given = list(fields)
    while True:
        boundary = b"----mailward" + entropy.bytes(15).hex().encode("ascii")
        if not any(boundary in f.value for f in given):
            break
    out: list[bytes] = []
    for f in given:
        head = f'Content-Disposition: form-data; name="{_quoted(f.name)}"'
        if f.filename:
            head += f'; filename="{_quoted(f.filename)}"'
        if f.content_type:
            head += f"\r\nContent-Type: {_token(f.content_type)}"
        out += [b"--", boundary, b"\r\n", head.encode("utf-8", "replace"), b"\r\n\r\n", f.value, b"\r\n"]
    out += [b"--", boundary, b"--\r\n"]
    return f"multipart/form-data; boundary={boundary.decode('ascii')}", b"".join(out)


def _quoted(text: str) -> str:
    """RFC 7578 section 2 and the HTML standard: quotes and line breaks percent-encoded, the rest as it is."""
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A").replace("\0", "%00")


def _token(text: str) -> str:
    return "".join(c for c in text if c.isprintable() and c.isascii())[:200] or "application/octet-stream"
