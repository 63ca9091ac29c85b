"""What parsing found in a received message, as the forms need it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mailward.base.errors import Invalid
from mailward.protocol.message import headers, words
from mailward.protocol.message.headers import Parsed
from mailward.protocol.message.structure import Structure

# What people are asked to write above. Everything from here on is quoted.
REPLY_MARKER = "### Reply Above This Line ###"
VALUE_MAX = 65_536

_ATTRIBUTION = re.compile(
    r"(?i)^\s*(>+\s*)?(on\b.{1,300}\bwrote:|am\b.{1,300}\bschrieb\b.{0,200}:|le\b.{1,300}\ba écrit\s*:|"
    r"el\b.{1,300}\bescribió\s*:|il\b.{1,300}\bha scritto\s*:|op\b.{1,300}\bschreef\b.{0,200}:)\s*$"
)
_OUTLOOK = re.compile(
    r"(?i)^\s*(-{2,}\s*(original message|ursprüngliche nachricht|message d'origine)\s*-{2,}|_{20,})\s*$"
)
_FIELD = re.compile(r"(?i)^\s*\*?(from|von|de|da|van)\*?:\s\S")
_SENT = re.compile(r"(?i)^\s*\*?(sent|date|gesendet|datum|envoyé|enviado|inviato|verzonden|to|an)\*?:\s\S")


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


def reply_of(text: str) -> str:
    """What is new in a reply: the text above the marker, the line that says who wrote what, or the quoted block.

    Only a tail is ever taken away, and never all of it: without a sign of quoting the answer is the whole text,
    and so it is when nothing stands above the first sign (somebody who answers below keeps their words).
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    end = len(lines)
    for n, line in enumerate(lines):
        if REPLY_MARKER in line:
            end = _back_over_quote_head(lines, n)
            break
        if len(line) <= 400 and _starts_quote(lines, n):
            end = n
            break
    else:
        end = _tail_of_quotes(lines)
    kept = "\n".join(lines[:end]).rstrip()
    return kept if kept.strip() else text


def _starts_quote(lines: list[str], n: int) -> bool:
    line = lines[n]
    if _OUTLOOK.match(line) or (_FIELD.match(line) and any(_SENT.match(x[:400]) for x in lines[n + 1 : n + 4])):
        return True
    if _ATTRIBUTION.match(line):
        return _quoted_after(lines, n)
    # Long attributions are wrapped into two lines by many programs.
    joined = line + " " + lines[n + 1][:400] if n + 1 < len(lines) else ""
    return bool(
        joined and not line.lstrip().startswith(">") and _ATTRIBUTION.match(joined) and _quoted_after(lines, n + 1)
    )


def _quoted_after(lines: list[str], n: int) -> bool:
    """Does a quotation follow: a line that begins with > among the next three?"""
    return any(x.lstrip().startswith(">") for x in lines[n + 1 : n + 4])


def _back_over_quote_head(lines: list[str], n: int) -> int:
    """Where the quotation that holds the marker begins."""
    while n > 0 and lines[n - 1].lstrip().startswith(">"):
        n -= 1
    back = n
    while back > 0 and n - back < 4:
        back -= 1
        if _ATTRIBUTION.match(lines[back][:400]) or _ATTRIBUTION.match(" ".join(lines[back : back + 2])[:800]):
            return back
    return n


def _tail_of_quotes(lines: list[str]) -> int:
    """Where a block of quoted lines that runs to the end begins; the end when there is none."""
    n = len(lines)
    seen = False
    while n > 0 and (not lines[n - 1].strip() or lines[n - 1].lstrip().startswith(">")):
        seen = seen or lines[n - 1].lstrip().startswith(">")
        n -= 1
    return n if seen else len(lines)
