"""A returned message taken apart: its header, what it says to people, its reports, and the original it carries."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field

from mailward.base.errors import Invalid
from mailward.protocol.message import charset, headers, structure, words
from mailward.protocol.message.structure import Leaf
from mailward.protocol.reports.fields import Fields

# Reports stand in front, the original behind: of a bounce that carries ten megabytes back nothing more is needed.
MAX_BYTES = 1024 * 1024
MAX_TEXT = 96 * 1024
_MAX_FIELD = 4000

_MBOX = re.compile(rb"\A(?:>?From [^\r\n]{0,500}\r?\n)+")
_BREAK = re.compile(r"<(?:br|/p|/div|/tr|/li|/h\d|/td)\b[^<>]{0,200}>", re.IGNORECASE)
_HIDDEN = re.compile(r"<(style|script|head|title)\b[^<>]{0,500}>", re.IGNORECASE)
_CLOSING = {n: re.compile(f"</{n}", re.IGNORECASE) for n in ("style", "script", "head", "title")}
_TAG = re.compile(r"<[/!]?[a-zA-Z][^<>]{0,1000}>")
_STATUS_TYPES = frozenset(("message/delivery-status", "message/global-delivery-status"))
_HEADER_TYPES = frozenset(
    ("text/rfc822-headers", "text/rfc-822-headers", "message/global-headers", "message/rfc822-headers")
)
_MESSAGE_TYPES = frozenset(("message/rfc822", "message/global", "message/rfc2822", "message/partial", "text/rfc822"))


@dataclass(slots=True)
class Returned:
    """`fields` are the header's, by lower-case name; `text` what people are told, HTML as text; `original` the header
    of the message that came back, as far as it is shown.
    """

    fields: Fields = field(default_factory=dict)
    kind: str = "text/plain"
    text: str = ""
    status: list[bytes] = field(default_factory=list)
    feedback: list[bytes] = field(default_factory=list)
    original: Fields = field(default_factory=dict)
    inner: bytes = b""

    def first(self, name: str) -> str:
        """The first value of a field of the header, or ""."""
        return self.fields.get(name, [""])[0]


def read(content: bytes) -> Returned:
    """Take a message apart. Never raises; at most its first mebibyte is read."""
    content = _MBOX.sub(b"", content[:MAX_BYTES])
    if headers.has_bare_newline(content):
        content = re.sub(rb"\r\n|\r|\n", b"\r\n", content)
    found = Returned(fields=header(content))
    found.kind = found.first("content-type").lower()
    texts: list[str] = []
    shown = 0
    for leaf in structure.read(content).leaves:
        if leaf.content_type in _STATUS_TYPES:
            found.status.append(leaf.content)
        elif leaf.content_type == "message/feedback-report":
            found.feedback.append(leaf.content)
        elif leaf.content_type in _MESSAGE_TYPES:
            found.original = found.original or header(leaf.content.lstrip())
            found.inner = found.inner or leaf.content
        elif leaf.content_type in _HEADER_TYPES:
            found.original = found.original or header(leaf.content.strip() + b"\r\n\r\n")
        elif leaf.content_type.startswith("text/") and shown < MAX_TEXT and not found.original:
            texts.append(_text(leaf)[: MAX_TEXT - shown])
            shown += len(texts[-1])
    found.text = "\n".join(texts)
    return found


def header(content: bytes) -> Fields:
    """The fields of a header, decoded for reading; none when it passes the caps of `protocol/message/headers`."""
    try:
        parsed = headers.split(content, tolerant=True)
    except Invalid:
        return {}
    found: Fields = {}
    for name, raw in parsed.fields:
        if name:
            value = words.decode(headers.value(raw)[:_MAX_FIELD])
            found.setdefault(name.decode("ascii", "replace"), []).append(value.strip())
    return found


def _text(leaf: Leaf) -> str:
    text = charset.decode(leaf.content[:MAX_TEXT], leaf.charset).replace("\r\n", "\n").replace("\0", "")
    if leaf.content_type == "text/html" or text[:200].lstrip().lower().startswith(("<html", "<!doctype")):
        return as_text(text)
    return text


def as_text(markup: str) -> str:
    """HTML as lines of text: for matching, not for showing. Linear."""
    out: list[str] = []
    position = 0
    while (hidden := _HIDDEN.search(markup, position)) is not None:
        out.append(markup[position : hidden.start()])
        closing = _CLOSING[hidden[1].lower()].search(markup, hidden.end())
        if closing is None:
            break
        position = closing.end()
    else:
        out.append(markup[position:])
    return html.unescape(_TAG.sub(" ", _BREAK.sub("\n", " ".join(out))))
