"""A message with tracked links in the place of its own, made for one recipient at a time.

`survey` reads once; `Survey.made` writes a copy, changing the octets of addresses and adding one image. What a text
part says stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from mailward.base.errors import Invalid
from mailward.protocol.message import headers
from mailward.protocol.tracking import encodings, markup, parts, targets
from mailward.protocol.tracking.encodings import Edit, Readable
from mailward.protocol.tracking.parts import Part

OPT_OUT_PATH = "/opt-out"
MAX_LINKS = 2000
"""So many links of a message are written anew, the first ones: each costs two signatures for each recipient."""


class Links(NamedTuple):
    """How a copy's links are written: `click` for a target ("" : leave it), the image ("" : none), the way out."""

    click: Callable[[str], str]
    image: str
    opt_out: str


class Made(NamedTuple):
    """A copy, and what was done to it: links, images, ways out."""

    content: bytes
    clicks: int = 0
    images: int = 0
    outs: int = 0


class _Html(NamedTuple):
    part: Part
    readable: Readable
    places: Sequence[tuple[int, int, str]]
    image: int


class Survey:
    """Where a message can be rewritten. `why` says why it cannot."""

    def __init__(self, content: bytes, own: str) -> None:
        """`own` is where tracked links begin ("https://links.example.com"): such links are left alone."""
        self._content = content
        self._own = own.rstrip("/")
        self._parts: list[_Html] = []
        self.why = ""
        try:
            found = parts.find(content)
            kept = _unsubscribing(content)
        except parts.Sealed as e:
            self.why = str(e)
            return
        left = MAX_LINKS
        for part in found:
            readable = encodings.read(content[part.start : part.end], part.encoding)
            if readable is None:
                continue
            seen = markup.look(readable.text, left)
            left -= len(seen.places)
            wanted = [(p.start, p.end, t) for p in seen.places if not p.off and (t := targets.read(p.value))]
            places = [place for place in wanted if place[2] not in kept]
            self._parts.append(_Html(part, readable, places, seen.image))
        if not self._parts:
            self.why = "it has no HTML that can be rewritten"

    def made(self, links: Links) -> Made:
        """The copy with these links. What cannot be changed without a line becoming too long stays as it was."""
        out: list[bytes | memoryview] = []
        view, at = memoryview(self._content), 0
        clicks = images = outs = 0
        for html in self._parts:
            edits: list[Edit] = []
            ways = 0
            for start, end, target in html.places:
                address, way = self._address(target, links)
                if address:
                    edits.append(Edit(start, end, b'"' + address.encode("ascii") + b'"'))
                    ways += way
            shown = bool(links.image) and not images
            if shown:
                tag = f'<img src="{links.image}" width="1" height="1" border="0" alt="">'
                edits.append(Edit(html.image, html.image, tag.encode("ascii")))
                edits.sort(key=lambda e: (e.start, e.end))
            if not edits:
                continue
            part = html.part
            body = encodings.write(self._content[part.start : part.end], part.encoding, html.readable, edits)
            if body is None:
                continue
            out += (view[at : part.start], body)
            at = part.end
            clicks, images, outs = clicks + len(edits) - ways - shown, images + shown, outs + ways
        if not at:
            return Made(self._content)
        out.append(view[at:])
        return Made(b"".join(out), clicks, images, outs)

    def _address(self, target: str, links: Links) -> tuple[str, bool]:
        """What to write for a target, and whether it is the recipient's way out."""
        if target.lower() == self._own + OPT_OUT_PATH:
            return links.opt_out, True
        if target.lower() == self._own or target.lower().startswith((self._own + "/", self._own + "?")):
            return "", False
        return links.click(target), False


def _unsubscribing(content: bytes) -> frozenset[str]:
    """The addresses of List-Unsubscribe (RFC 2369): a click on them is nobody's business but the list's."""
    try:
        parsed = headers.split(content)
    except Invalid:
        raise parts.Sealed("its header cannot be read") from None
    found = set()
    for raw in headers.find(parsed, b"list-unsubscribe"):
        for piece in headers.value(raw).split(b"<")[1:]:
            found.add(targets.read(b"".join(piece.partition(b">")[0].split())))
    return frozenset(found)
