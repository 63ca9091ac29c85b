"""Where the links of an HTML text are, by octets: a reading of tags that follows the tokeniser of the HTML Standard
(section 13.2.5) as far as attributes, comments and elements whose content is text. Linear time, never raises.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_TAG = re.compile(rb"<(?:(!--)|(/?)([A-Za-z][^\t\n\f\r />]*)|([!?/]))")
_BETWEEN = re.compile(rb"[\t\n\f\r /]*")
_NAME = re.compile(rb"=?[^\t\n\f\r />=]*")
_EQUALS = re.compile(rb"[\t\n\f\r ]*=[\t\n\f\r ]*")
_BARE = re.compile(rb"[^\t\n\f\r >]*")
_COMMENT_END = re.compile(rb"--!?>")
# Their content is text: what looks like a tag in it is none (section 13.2.6.4).
_RAW = frozenset((b"script", b"style", b"title", b"textarea", b"xmp", b"iframe", b"noembed", b"noframes", b"plaintext"))
_LINKS = frozenset((b"a", b"area"))


class Place(NamedTuple):
    """The value of an href: `start` to `end` with its quotes, `value` without; `off`: it is marked as not wanted."""

    start: int
    end: int
    value: bytes
    off: bool


class Found(NamedTuple):
    """The links in order, and where an image can go: before the end of the body, or at the end of the text."""

    places: list[Place]
    image: int


def look(text: bytes, most: int) -> Found:
    """Every href of an `a` or `area`; after `most` of them the others are left out."""
    places: list[Place] = []
    image = -1
    at = 0
    while (tag := _TAG.search(text, at)) is not None:
        at = tag.end()
        if tag[1] is not None:
            # "<!-->" and "<!--->" are whole comments.
            end = _COMMENT_END.search(text, at - 2)
            if end is None:
                break
            at = max(end.end(), at)
            continue
        if tag[4] is not None:
            at = text.find(b">", at)
            if at < 0:
                break
            continue
        name = tag[3].lower()
        if tag[2] and name in (b"body", b"html") and (name == b"body" or image < 0):
            image = tag.start()
        at, given = _attributes(text, at)
        if at < 0:
            break
        if tag[2]:
            continue
        if name in _LINKS and (href := given.get(b"href")) is not None and len(places) < most:
            off = given.get(b"data-mailward-track")
            places.append(Place(*href, off=off is not None and off[2].strip().lower() == b"off"))
        elif name in _RAW:
            closing = re.compile(rb"</" + name + rb"(?=[\t\n\f\r />])", re.IGNORECASE).search(text, at)
            if closing is None:
                break
            at = closing.start()
    return Found(places, image if image >= 0 else len(text))


def _attributes(text: bytes, at: int) -> tuple[int, dict[bytes, tuple[int, int, bytes]]]:
    """Where the tag ends (-1: nowhere), and the values by lower-case name: (start, end, value). The first counts."""
    given: dict[bytes, tuple[int, int, bytes]] = {}
    size = len(text)
    while True:
        between = _BETWEEN.match(text, at)
        at = between.end() if between else at
        if at >= size:
            return -1, given
        if text[at] == 0x3E:
            return at + 1, given
        name = _NAME.match(text, at)
        assert name is not None
        at = name.end()
        equals = _EQUALS.match(text, at)
        if equals is None:
            continue
        start = at = equals.end()
        quoted = text[at : at + 1]
        if quoted in (b'"', b"'"):
            end = text.find(quoted, at + 1)
            if end < 0:
                return -1, given
            value, at = text[at + 1 : end], end + 1
        else:
            bare = _BARE.match(text, at)
            assert bare is not None
            value, at = bare[0], bare.end()
        given.setdefault(name[0].lower(), (start, at, value))
