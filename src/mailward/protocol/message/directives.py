"""What a message's own header says to the platform, for clients that have no other place to say it:

    X-Mailward-Stream: broadcast          the stream it belongs to, otherwise transactional
    X-Mailward-Tag: welcome               a tag; up to ten such fields
    X-Mailward-Metadata-order: 4711       metadata under the name "order", as it is written; up to fifty
    X-Mailward-Test-Mode: yes             everything runs but the last hop
    X-Mailward-Tracking: off              or opens, clicks, both: counts more than what stream, domain, workspace say

These fields never leave.
"""

from __future__ import annotations

import re
from typing import NamedTuple, NoReturn

from mailward.base.errors import Invalid
from mailward.protocol.message import headers, words

PREFIX = b"x-mailward-"
STREAM, TAG, TEST_MODE = b"x-mailward-stream", b"x-mailward-tag", b"x-mailward-test-mode"
TRACKING = b"x-mailward-tracking"
METADATA = b"x-mailward-metadata-"

# The same limits as in a request to the API.
_TAG = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_TAGS_MAX = 10
_METADATA_MAX, _METADATA_NAME_MAX, _METADATA_VALUE_MAX = 50, 64, 500
# What the fields of one word may say.
_WORDS = {
    STREAM: ("transactional", "broadcast"),
    TEST_MODE: ("yes", "no"),
    TRACKING: ("off", "opens", "clicks", "both"),
}
_SHOWN = {STREAM: "X-Mailward-Stream", TEST_MODE: "X-Mailward-Test-Mode", TRACKING: "X-Mailward-Tracking"}


class Directives(NamedTuple):
    """What was said; "", empty and False where nothing was."""

    stream: str = ""
    tags: tuple[str, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    test_mode: bool = False
    tracking: str = ""


NONE = Directives()


def is_one(name: bytes) -> bool:
    """Whether a field of that lower-case name is for the platform."""
    return name in _WORDS or name == TAG or name.startswith(METADATA)


def read(raw: list[tuple[bytes, bytes]]) -> Directives:
    """What these fields say: (lower-case name, the whole field) of each for which `is_one` is true.

    Raises Invalid with the field: `stream_invalid`, `test_mode_invalid`, `tracking_invalid` for a word there is not,
    and for two fields that disagree; `tag_invalid`, `metadata_invalid`, `too_many_tags`, `too_many_metadata`.
    """
    said: dict[bytes, str] = {}
    tags: dict[str, None] = {}
    metadata: dict[str, str] = {}
    for name, field in raw:
        text = words.decode_raw(headers.value(field)).strip()
        if name in _WORDS:
            said[name] = _word(name, text.lower(), said.get(name))
        elif name == TAG:
            if not _TAG.fullmatch(text):
                _refuse("tag_invalid", "A tag has 1 to 64 ASCII letters, digits and _ . : -, one in each field.", name)
            tags[text] = None
        else:
            _add(metadata, field[len(METADATA) : field.index(b":")].decode("ascii").rstrip(" \t"), text)
    if len(tags) > _TAGS_MAX:
        _refuse("too_many_tags", f"A message may have {_TAGS_MAX} tags.", TAG)
    if len(metadata) > _METADATA_MAX:
        _refuse("too_many_metadata", f"A message may have {_METADATA_MAX} metadata entries.", METADATA)
    return Directives(
        said.get(STREAM, ""),
        tuple(tags),
        tuple(metadata.items()),
        said.get(TEST_MODE) == "yes",
        said.get(TRACKING, ""),
    )


def _word(name: bytes, word: str, earlier: str | None) -> str:
    if word not in _WORDS[name] or earlier not in (None, word):
        code = name.removeprefix(PREFIX).decode("ascii").replace("-", "_") + "_invalid"
        *others, last = _WORDS[name]
        _refuse(code, f"{_SHOWN[name]} says {', '.join(others)} or {last}, once.", name)
    return word


def _add(metadata: dict[str, str], name: str, text: str) -> None:
    if not 1 <= len(name) <= _METADATA_NAME_MAX or len(text) > _METADATA_VALUE_MAX or not text.isprintable():
        why = "X-Mailward-Metadata-NAME has a name of 1 to 64 characters and a text of up to 500."
        _refuse("metadata_invalid", why, METADATA)
    if metadata.setdefault(name, text) != text:
        _refuse("metadata_invalid", f"The message has two different X-Mailward-Metadata-{name} fields.", METADATA)


def _refuse(code: str, why: str, name: bytes) -> NoReturn:
    raise Invalid(code, why, field=name.decode("ascii").rstrip("-"))
