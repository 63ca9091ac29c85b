"""Messages whose header names a template: what they ask for, and the message with the mail that came of it.

    X-Mailward-Template: welcome          a published template
    X-Mailward-Template-Version: 3        one of its versions, unless the current one is meant
    X-Mailward-Data: {"name": "Ada"}      what it is filled with: JSON, folded as any header is

Subject and body are the template's; every other field stays as the client wrote it. The fields above never leave.
"""

from __future__ import annotations

from typing import NamedTuple

from mailward.base.errors import Invalid
from mailward.base.sources import Entropy
from mailward.protocol.message import attached, fields, headers, parts, words

TEMPLATE, VERSION, DATA = b"x-mailward-template", b"x-mailward-template-version", b"x-mailward-data"
OURS = frozenset((TEMPLATE, VERSION, DATA))
_REPLACED = OURS | {b"subject", b"mime-version"}


class Asked(NamedTuple):
    """A template's name, one of its versions (None: the current one), and JSON that nobody has looked at."""

    template: str
    version: int | None
    data: str


def asked(content: bytes) -> Asked:
    """What the header of `content` (CRLF) asks for.

    Raises Invalid `template_missing`, `header_duplicate`, `template_version_invalid`, `template_with_files`, and those
    of `headers.split`.
    """
    parsed = headers.split(content)
    found: dict[bytes, str] = {}
    for name, raw in parsed.fields:
        if name in OURS:
            if name in found:
                raise Invalid("header_duplicate", f"The message has more than one {name.decode()} field.")
            found[name] = words.decode_raw(headers.value(raw), limit=headers.MAX_HEADER_BYTES).strip()
    if not found.get(TEMPLATE):
        raise Invalid("template_missing", "Data and a version belong to a template: name it in X-Mailward-Template.")
    version = found.get(VERSION, "")
    if version and not (version.isascii() and version.isdecimal() and len(version) <= 4):
        raise Invalid("template_version_invalid", "X-Mailward-Template-Version is a number.")
    if attached.names(content, parsed):
        raise Invalid("template_with_files", "A message that names a template carries no attachment.")
    return Asked(found[TEMPLATE], int(version) if version else None, found.get(DATA) or "{}")


def filled(content: bytes, subject: str, text: str, html: str, entropy: Entropy) -> bytes:
    """The message with another subject and body. Raises Invalid `header_injection` for a subject of several lines."""
    parsed = headers.split(content)
    kept = [raw for name, raw in parsed.fields if name not in _REPLACED and not name.startswith(b"content-")]
    written = parts.text(text, "plain")
    if html:
        shown = parts.text(html, "html")
        written = parts.multipart("alternative", [written, shown], entropy) if text else shown
    head = fields.unstructured("Subject", subject, "subject") + "MIME-Version: 1.0\r\n"
    return b"".join((*kept, head.encode("utf-8"), written.header, b"\r\n", written.body))
