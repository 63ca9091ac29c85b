"""What parsing found in a received message, as the forms need it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mailward.base.errors import Invalid
from mailward.protocol.message import headers, words
from mailward.protocol.message.headers import Parsed
from mailward.protocol.message.replies import reply_of
from mailward.protocol.message.structure import Structure

VALUE_MAX = 65_536


@dataclass(frozen=True, slots=True)
class File:
    """A part that is a file. `url` when it lies in the object store instead of in `content`; `size` in octets."""

    file_name: str
    content_type: str
    disposition: str
    content_id: str | None
    size: int
    content: bytes = field(default=b"", repr=False)
    url: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """The header as (name, value) in order, the text, the HTML, the part of the text that is new, the files.

    `raw` is the whole message as it is handed over.
    """

    headers: tuple[tuple[str, str], ...]
    plain: str
    html: str
    reply_plain: str
    files: tuple[File, ...]
    defects: tuple[str, ...] = ()
    raw: bytes = field(default=b"", repr=False)


def without_forged(raw: bytes, trace: bytes, forged: Iterable[int]) -> bytes:
    """The message with our trace fields on top and without the header fields of those positions.

    RFC 8601 section 5: fields that claim to be ours and are not are removed before ours is added. Every other
    octet stays. A message whose header cannot be split gets the trace and keeps its octets.
    """
    drop = frozenset(forged)
    if not drop:
        return trace + raw
    try:
        parsed = headers.split(raw, tolerant=True)
    except Invalid:
        return trace + raw
    kept = [f for n, f in enumerate(parsed.fields) if n not in drop]
    return headers.assemble(trace, kept, raw, parsed.body_offset)


def from_structure(raw: bytes, parsed: Parsed, found: Structure) -> Content:
    """The content of a message that was read."""
    shown = tuple(
        (name.decode("ascii", "replace"), words.decode(headers.value(field), limit=VALUE_MAX))
        for name, field in _named(parsed)
    )
    files = tuple(
        File(
            leaf.filename or "attachment",
            leaf.content_type,
            "inline" if leaf.disposition == "inline" or (not leaf.disposition and leaf.content_id) else "attachment",
            leaf.content_id,
            leaf.size,
            leaf.content,
        )
        for leaf in found.attachments
    )
    return Content(shown, found.text, found.html, reply_of(found.text), files, tuple(found.defects), raw)


def _named(parsed: Parsed) -> Iterable[tuple[bytes, bytes]]:
    return ((raw.partition(b":")[0].strip(b" \t"), raw) for name, raw in parsed.fields if name)


def grouped(fields: Iterable[tuple[str, str]], *, normal: bool = True) -> Mapping[str, list[str]]:
    """Values by name in order of appearance; `normal` names are lower case with `_` for `-`."""
    out: dict[str, list[str]] = {}
    for name, value in fields:
        out.setdefault(name.lower().replace("-", "_") if normal else name, []).append(value)
    return out
