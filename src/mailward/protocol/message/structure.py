"""What a message shows: its text, its HTML, its files. For people and APIs; nothing is decided on it.

Reads any bytes and never raises: what is malformed is named in `defects`, what passes
a cap (depth, parts, decoded bytes) stays undecoded and is named too. The raw message
remains the record.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from mailward.base.errors import Invalid
from mailward.protocol.message import charset, filenames, headers, multipart, parameters, transfer, words
from mailward.protocol.message.headers import Parsed

MAX_DEPTH = 20
MAX_PARTS = 200
MAX_TEXT = 2 * 1024 * 1024
MAX_BYTES = 50 * 1024 * 1024

_LINE_BREAK = re.compile(rb"\r\n|\r|\n")


@dataclass(slots=True)
class Leaf:
    """A part that is no multipart. `content` is decoded; `filename` is safe to show and to save, or "".

    `encoding` is the transfer encoding it came in, in lower case, "" when it named none.
    """

    content_type: str
    charset: str
    filename: str
    content_id: str | None
    disposition: str
    content: bytes = field(repr=False)
    encoding: str = ""

    @property
    def size(self) -> int:
        """Decoded bytes."""
        return len(self.content)


@dataclass(slots=True)
class Structure:
    """`text` and `html` are the first of each kind that is no attachment; `attachments` all the rest."""

    subject: str = ""
    text: str = ""
    html: str = ""
    attachments: list[Leaf] = field(default_factory=list)
    leaves: list[Leaf] = field(default_factory=list)
    defects: list[str] = field(default_factory=list)


class _Reader:
    """One reading, with what is left of its budget."""

    def __init__(self, defects: list[str]) -> None:
        self.defects = defects
        self.parts = 0
        self.decoded = 0

    def defect(self, name: str) -> None:
        if name not in self.defects:
            self.defects.append(name)

    def header(self, content: bytes) -> Parsed:
        try:
            return headers.split(content, tolerant=True)
        except Invalid as error:
            self.defect(error.code)
            end = content.find(b"\r\n\r\n")
            return Parsed([], end + 4 if end >= 0 else len(content))

    def leaves(self, content: bytes, depth: int, default: str) -> Iterator[Leaf]:
        self.parts += 1
        if self.parts > MAX_PARTS:
            self.defect("too_many_parts")
            return
        parsed = self.header(content)
        if any(not name for name, _ in parsed.fields):
            self.defect("header_malformed")
        raw_type = self.single(parsed, b"content-type")
        kind, given = parameters.parse(raw_type) if raw_type is not None else (default, {})
        if kind.count("/") != 1:
            self.defect("content_type_invalid")
            kind = "text/plain"
        body = content[parsed.body_offset :]
        if kind.startswith("multipart/"):
            boundary = given.get("boundary", "")
            if not boundary:
                self.defect("boundary_missing")
                kind = "text/plain"
            elif depth >= MAX_DEPTH:
                self.defect("nested_too_deep")
            else:
                child = "message/rfc822" if kind == "multipart/digest" else "text/plain"
                for part in self.divide(body, boundary.encode("utf-8", "surrogateescape")):
                    yield from self.leaves(part, depth + 1, child)
                return
        yield self.leaf(parsed, kind, given, body)

    def single(self, parsed: Parsed, name: bytes) -> bytes | None:
        found = headers.find(parsed, name)
        if len(found) > 1:
            self.defect(f"duplicate_{name.decode('ascii').replace('-', '_')}")
        return headers.value(found[0]) if found else None

    def divide(self, body: bytes, boundary: bytes) -> list[bytes]:
        """The parts between delimiter lines (RFC 2046 section 5.1.1)."""
        if b"\0" in boundary or len(boundary) > 200:
            self.defect("boundary_invalid")
        out: list[bytes] = []
        start = -1
        for delimiter in multipart.delimiters(body, boundary, 0, len(body)):
            if start >= 0:
                out.append(body[start : delimiter.start])
            if delimiter.closes:
                return out
            start = delimiter.stop
            if len(out) > MAX_PARTS:
                self.defect("too_many_parts")
                return out
        if start >= 0:
            self.defect("boundary_not_closed")
            out.append(body[start:])
        else:
            self.defect("boundary_not_found")
        return out

    def leaf(self, parsed: Parsed, kind: str, given: dict[str, str], body: bytes) -> Leaf:
        raw = self.single(parsed, b"content-disposition")
        disposition, more = parameters.parse(raw) if raw is not None else ("", {})
        name = more.get("filename") or given.get("name") or ""
        raw_id = headers.first_value(parsed, b"content-id")
        encoding = (self.single(parsed, b"content-transfer-encoding") or b"").strip().lower()
        return Leaf(
            content_type=kind,
            charset=given.get("charset", "us-ascii"),
            filename=filenames.safe(name) if name else "",
            content_id=words.decode(raw_id).strip("<> ") if raw_id else None,
            disposition=disposition,
            content=self.decode(body, encoding),
            encoding=encoding.decode("ascii", "replace"),
        )

    def decode(self, body: bytes, encoding: bytes) -> bytes:
        self.decoded += len(body)
        if self.decoded > MAX_BYTES:
            self.defect("too_large_to_decode")
            return b""
        if encoding == b"base64":
            clean = transfer.base64_digits(body)
            if len(clean) + body.count(b"=") + body.count(b"\r") + body.count(b"\n") != len(body):
                self.defect("base64_junk")
            if len(clean) % 4 == 1:
                clean = clean[:-1]
                self.defect("base64_truncated")
            return binascii.a2b_base64(clean + b"=" * (-len(clean) % 4))
        if encoding == b"quoted-printable":
            return binascii.a2b_qp(body)
        if encoding not in (b"", b"7bit", b"8bit", b"binary"):
            self.defect("transfer_encoding_unknown")
        return body


def read(content: bytes) -> Structure:
    """The structure of a raw message. Never raises on what it is given."""
    found = Structure()
    reader = _Reader(found.defects)
    if headers.has_bare_newline(content):
        reader.defect("bare_newline")
        content = _LINE_BREAK.sub(b"\r\n", content)
    subject = headers.first_value(reader.header(content), b"subject")
    found.subject = words.decode(subject) if subject is not None else ""
    found.leaves = list(reader.leaves(content, 0, "text/plain"))
    for leaf in found.leaves:
        attached = leaf.disposition == "attachment" or leaf.filename
        if leaf.content_type == "text/plain" and not attached and not found.text:
            found.text = _text(reader, leaf)
        elif leaf.content_type == "text/html" and not attached and not found.html:
            found.html = _text(reader, leaf)
        else:
            found.attachments.append(leaf)
    return found


def _text(reader: _Reader, leaf: Leaf) -> str:
    if not charset.known(leaf.charset):
        reader.defect("charset_unknown")
    if leaf.size > MAX_TEXT:
        reader.defect("text_cut")
    return charset.decode(leaf.content[:MAX_TEXT], leaf.charset).replace("\0", "\ufffd")
