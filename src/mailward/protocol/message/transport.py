"""The two rewrites a message may need before it can travel, and nothing else is ever changed.

`shorten`: lines over 998 octets (RFC 5322 section 2.1.1). `seven_bit`: a next hop without 8BITMIME (RFC 6152
section 3). Both work on the bytes: the parts that need it get another transfer encoding (RFC 2045 section 6), the
fields that need it are folded; every other octet, boundaries among them, stays. What is signed or encrypted as a
whole (RFC 1847) is never touched, and what can be read in two ways is refused, not guessed.

Rewrite before signing: a DKIM signature is over what is sent.
"""

from __future__ import annotations

import re
from enum import Enum
from itertools import islice
from typing import NamedTuple, NoReturn

from mailward.base.errors import Invalid
from mailward.protocol.message import folding, headers, multipart, parameters, transfer
from mailward.protocol.message.headers import READ_BYTES, Parsed

MAX_DEPTH = 20
MAX_PARTS = 10_000
# Quoted-printable is for text that may be read undecoded, so much of a message. It takes 12 ms a megabyte, and base64
# four.
MAX_QUOTED = 1 << 20
_MAX_NOTES = 10
_SLICE = 1 << 16

_TYPE = re.compile(r"[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,60}")
_ENCODING = b"content-transfer-encoding"
_EIGHT_BIT_LABEL = re.compile(rb"[Tt](?i:ransfer-encoding[ \t]*:[ \t\r\n]*(?:8bit|binary))")
_WORDS = (b"8bit", b"8BIT", b"binary", b"BINARY")
# A whole message as a part: its own header and body are rewritten in turn (RFC 2046 section 5.2.1).
_MESSAGES = frozenset(("message/rfc822", "message/news"))


class Rewritten(NamedTuple):
    """`notes` say what was changed, for people: "text/html is now quoted-printable"."""

    content: bytes
    notes: tuple[str, ...]


class _Aim(Enum):
    LENGTH = "a line is longer than 998 bytes"
    SEVEN = "it holds 8-bit characters"


def shorten(content: bytes) -> Rewritten:
    """A message whose lines have at most 998 octets.

    `content` ends every line with CRLF and holds no NUL. Raises Invalid: `header_too_long` (no place to fold),
    `line_too_long_signed`, `line_too_long_encrypted`, `line_too_long` where the structure is not clear, and those
    of `headers.split`.
    """
    return _Rewriter(content, _Aim.LENGTH).run()


def seven_bit(content: bytes) -> Rewritten:
    """A message of ASCII only that says the same, for a server without 8BITMIME. Raises Invalid:

    `smtputf8_needed` where a header holds 8-bit characters (only RFC 6531 carries those), `eight_bit_signed`,
    `eight_bit_encrypted`, and `eight_bit_unclear` where the structure is not clear.
    """
    return _Rewriter(content, _Aim.SEVEN).run()


class _Entity(NamedTuple):
    """One header with what it says about its body, which is `content[body:end]`."""

    fields: list[tuple[bytes, bytes]]
    kind: str
    boundary: str
    encoding: bytes
    body: int
    end: int
    is_message: bool

    def has(self, name: bytes) -> bool:
        return any(field == name for field, _ in self.fields)


class _Rewriter:
    """One message being rewritten: offsets into it, and the pieces of the result."""

    def __init__(self, content: bytes, aim: _Aim) -> None:
        self.content = content
        self.view = memoryview(content)
        self.aim = aim
        self.out: list[bytes | memoryview] = []
        self.notes: dict[str, None] = {}
        self.parts = 0
        self.quoted = 0

    def run(self) -> Rewritten:
        self.entity(0, len(self.content), "text/plain", (), 0, message=True)
        notes = list(self.notes)
        if len(notes) > _MAX_NOTES:
            notes = [*notes[:_MAX_NOTES], f"and {len(notes) - _MAX_NOTES} more"]
        return Rewritten(b"".join(self.out), tuple(notes))

    # -- looking ---------------------------------------------------------------------------------

    def offends(self, start: int, end: int) -> bool:
        """Whether these octets cannot travel as they are."""
        if self.aim is _Aim.LENGTH:
            return headers.has_long_line(self.content, start=start, end=end)
        return any(not self.content[i : min(i + _SLICE, end)].isascii() for i in range(start, end, _SLICE))

    def labelled(self, start: int, end: int) -> bool:
        """Whether a label here promises 8 bits: a part may not promise more than the whole (RFC 2045 section 6.4)."""
        if self.aim is _Aim.LENGTH or all(self.content.find(word, start, end) < 0 for word in _WORDS):
            return False
        return _EIGHT_BIT_LABEL.search(self.content, start, end) is not None

    def read(self, start: int, end: int, default: str, message: bool) -> _Entity:
        parsed = self.header(start, end)
        for name in (b"content-type", _ENCODING):
            if len(headers.find(parsed, name)) > 1:
                self.refuse("", f"and a part has two {name.decode().title()} fields")
        raw = headers.first_value(parsed, b"content-type")
        kind, given = parameters.parse(raw) if raw is not None else (default, {})
        encoding = (headers.first_value(parsed, _ENCODING) or b"").lower()
        body = start + parsed.body_offset
        return _Entity(parsed.fields, kind, given.get("boundary", ""), encoding, body, end, message)

    def header(self, start: int, end: int) -> Parsed:
        stop = min(end, start + READ_BYTES + 4)
        try:
            return headers.split(self.content[start:stop])
        except Invalid as error:
            if start == 0:
                raise
            self.refuse("", f"and the header of a part cannot be read ({error.code})")

    # -- writing ---------------------------------------------------------------------------------

    def entity(
        self, start: int, end: int, default: str, outer: tuple[bytes, ...], depth: int, *, message: bool
    ) -> None:
        """Write `content[start:end]`, a header and its body, as it has to be. `outer`: the boundaries around it."""
        self.parts += 1
        if self.parts > MAX_PARTS:
            self.refuse("", f"and the message has more than {MAX_PARTS} parts")
        if self.offends(start, end):
            if depth > MAX_DEPTH:
                self.refuse("", f"and its parts are nested more than {MAX_DEPTH} deep")
            self.rewrite(self.read(start, end, default, message), outer, depth)
            return
        if depth <= MAX_DEPTH and self.labelled(start, end):
            mark = len(self.out)
            try:
                self.rewrite(self.read(start, end, default, message), outer, depth)
            except Invalid:  # only labels were to change here, and nothing is refused for a label
                del self.out[mark:]
            else:
                return
        self.out.append(self.view[start:end])

    def rewrite(self, e: _Entity, outer: tuple[bytes, ...], depth: int) -> None:
        if multipart.is_opaque(e.kind):
            if self.offends(e.body, e.end):
                self.refuse(e.kind.removeprefix("multipart/"), f"inside a {e.kind} part, which must not be changed")
            self.write_header(e)
            self.out.append(self.view[e.body : e.end])
        elif e.kind.startswith("multipart/") or e.kind in _MESSAGES:
            if e.encoding not in transfer.IDENTITY:
                self.refuse("", f"and a {_shown(e.kind)} part has a transfer encoding, which it must not")
            self.write_header(e)
            if e.kind in _MESSAGES:
                self.entity(e.body, e.end, "text/plain", outer, depth + 1, message=True)
            else:
                self.divide(e, outer, depth)
        else:
            self.leaf(e, outer)

    def divide(self, e: _Entity, outer: tuple[bytes, ...], depth: int) -> None:
        """The parts of a multipart, each delimiter line as it was."""
        boundary = e.boundary.encode("utf-8", "surrogateescape")
        every = multipart.delimiters(self.content, boundary, e.body, e.end) if boundary else iter(())
        found = list(islice(every, MAX_PARTS + 1))
        if not found or len(found) > MAX_PARTS:
            self.refuse("", "and the boundary of a multipart is missing, or there are too many of it")
        child = "message/rfc822" if e.kind == "multipart/digest" else "text/plain"
        self.around(e.body, found[0].start)
        done = e.body
        for n, delimiter in enumerate(found):
            self.out.append(self.view[max(delimiter.start, done) : delimiter.stop])  # two that touch share a CRLF
            done = delimiter.stop
            if delimiter.closes:
                self.around(done, e.end)
                return
            stop = found[n + 1].start if n + 1 < len(found) else e.end
            if stop > done:
                self.entity(done, stop, child, (*outer, boundary), depth + 1, message=False)

    def around(self, start: int, end: int) -> None:
        """What stands before or after the parts is not part of the message (RFC 2046 section 5.1.1)."""
        if start >= end:
            return
        if self.offends(start, end):
            self.note("text around the parts is left out")
        else:
            self.out.append(self.view[start:end])

    def leaf(self, e: _Entity, outer: tuple[bytes, ...]) -> None:
        if not self.offends(e.body, e.end):
            self.write_header(e)
            self.out.append(self.view[e.body : e.end])
            return
        if e.kind.startswith("message/") and not e.kind.startswith("message/global"):
            self.refuse("", f"inside a {_shown(e.kind)} part, which may only be plain ASCII")
        data = self.content[e.body : e.end]
        if e.encoding in transfer.IDENTITY:
            encoding, body = self.encoded(e.kind, data, outer)
        elif e.encoding == b"base64":
            encoding, body = e.encoding, transfer.base64_again(data)
        elif e.encoding == b"quoted-printable":
            encoding, body = self.encoded("text/plain", transfer.quoted_printable_decoded(data), outer)
        else:
            self.refuse("", "and the transfer encoding of a part is not known")
        self.write_header(e, encoding, data)
        self.note(f"{_shown(e.kind)} is now {encoding.decode()}")
        self.out.append(body)

    def encoded(self, kind: str, data: bytes, outer: tuple[bytes, ...]) -> tuple[bytes, bytes]:
        # What was decoded may hold a bare CR or LF, which quoted-printable text cannot tell from a line break.
        if (
            kind.startswith("text/")
            and self.quoted + len(data) <= MAX_QUOTED
            and not transfer.mostly_high(data)
            and not headers.has_bare_newline(data)
        ):
            self.quoted += len(data)
            body = transfer.quoted_printable(data)
            if not _cuts(body, outer):
                return b"quoted-printable", body
        return b"base64", transfer.base64(data) + (b"\r\n" if data.endswith(b"\r\n") else b"")

    def write_header(self, e: _Entity, encoding: bytes | None = None, data: bytes = b"") -> None:
        """The header of an entity, folded, and with its transfer encoding when that changes."""
        if encoding is None and self.aim is _Aim.SEVEN and e.encoding in (b"8bit", b"binary"):
            encoding = b"7bit"
        label = b"Content-Transfer-Encoding: %b\r\n" % (encoding or b"")
        for name, raw in e.fields:
            self.out.append(label if name == _ENCODING and encoding is not None else self.field(name, raw))
        if encoding is not None:
            if not e.has(_ENCODING):
                self.out.append(label)
            if e.is_message and not e.has(b"mime-version"):
                self.out.append(b"MIME-Version: 1.0\r\n")
            if e.is_message and not e.has(b"content-type") and not data.isascii():
                # Text without a label: UTF-8 when it is, else what RFC 1428 section 3 gives a gateway to say.
                self.out.append(b"Content-Type: text/plain; charset=%b\r\n" % _charset(data))
        self.out.append(b"\r\n")

    def field(self, name: bytes, raw: bytes) -> bytes:
        if self.aim is _Aim.SEVEN:
            if not raw.isascii():
                raise Invalid("smtputf8_needed", "A header field holds 8-bit characters, which need SMTPUTF8.")
            return raw
        folded = folding.fold(name, raw)
        shown = name.decode("ascii").title()[:60]
        if folded is None:
            raise Invalid(
                "header_too_long",
                f"A line of the {shown} field is longer than {folding.MAX_LINE} bytes and has no place to fold it.",
                field=name.decode("ascii"),
            )
        if folded is not raw:
            self.note(f"{shown} is folded")
        return folded

    # -- saying ----------------------------------------------------------------------------------

    def note(self, text: str) -> None:
        self.notes.setdefault(text)

    def refuse(self, why: str, text: str) -> NoReturn:
        stem = "line_too_long" if self.aim is _Aim.LENGTH else "eight_bit"
        ending = f"_{why}" if why else "" if self.aim is _Aim.LENGTH else "_unclear"
        raise Invalid(stem + ending, f"The message cannot be rewritten: {self.aim.value} {text}.", field="content")


def _cuts(body: bytes, outer: tuple[bytes, ...]) -> bool:
    """Whether a line made by encoding would be taken for a delimiter of a multipart around it."""
    return any(body.startswith(b"--" + b) or b"\r\n--" + b in body for b in outer)


def _charset(data: bytes) -> bytes:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return b"unknown-8bit"
    return b"utf-8"


def _shown(kind: str) -> str:
    return kind if _TYPE.fullmatch(kind) else "a part"
