"""The nouns: templates, their sources and versions, and what a rendering takes and gives."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import msgspec

TEMPLATES_MAX = 500
VERSIONS_MAX = 1000
NAME = r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?"
NAME_PATTERN = re.compile(NAME)
DESCRIPTION_MAX = 200
SUBJECT_MAX = 998
HTML_MAX = 500_000
TEXT_MAX = 200_000
DATA_MAX = 262_144
"""Octets of JSON, of a sample as of the data of a message."""

CONTENT = re.compile(r"\{\{-?\s*content\b")
"""The place of a layout into which a template's content goes."""


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """What a template is written in. `layout` names another template or is ""; `sample` is a JSON object."""

    subject: str = ""
    html: str = ""
    text: str = ""
    layout: str = ""
    sample: str = "{}"


@dataclass(frozen=True, slots=True)
class Template:
    """`current` is the version that is sent, 0 when none was published. Times are microseconds UTC."""

    id: bytes
    name: str
    description: str
    draft: Sources = field(repr=False)
    current: int
    created: int
    changed: int


@dataclass(frozen=True, slots=True)
class Version:
    """A template as it was published: number (from 1), when (microseconds UTC), by whom."""

    number: int
    at: int
    by: str
    sources: Sources = field(repr=False)


class Sheet(msgspec.Struct, frozen=True, array_like=True):
    """What one rendering works on: a template, its layout and the names of both, without the data."""

    subject: str
    html: str
    text: str
    layout_html: str = ""
    layout_text: str = ""


class Rendered(msgspec.Struct, frozen=True, array_like=True):
    """A mail. `html` is "" when the template has none."""

    subject: str
    html: str
    text: str
