"""Macros (RFC 7208 section 7): read once when the record is read, expanded when a term is evaluated."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import NamedTuple
from urllib.parse import quote

from mailward.protocol.spf.model import Address, permerror

_PART = re.compile(
    r"%\{(?P<letter>[A-Za-z])(?P<digits>[0-9]*)(?P<reverse>[rR]?)(?P<delimiters>[-.+,/_=]*)\}"
    r"|%(?P<escape>[%_-])|(?P<literal>[!-$&-~]+)"
)
_PART_OF_TEXT = re.compile(_PART.pattern.replace("[!-$&-~]", "[ !-$&-~]"))
# toplabel (section 7.1): letters, digits and inner hyphens, not digits only.
_TOP_LABEL = re.compile(r"(?![0-9]+\Z)[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
# domain-end may be any macro-expand instead, the escapes among them.
_ENDS_EXPANDED = re.compile(r"(?:[^%]|%[%_-]|%\{[^}]*\})*?(?:%[%_-]|%\{[^}]*\})")
_ESCAPES = {"%": "%", "_": " ", "-": "%20"}
_LETTERS = "slodiphv"
_LETTERS_OF_TEXT = _LETTERS + "crt"

MAX_NAME = 253


class Macro(NamedTuple):
    """One %{...}: `keep` rightmost parts (0: all) after splitting at `delimiters` and, with `reverse`, reversing."""

    letter: str
    keep: int
    reverse: bool
    delimiters: str
    escaped: bool


Template = tuple["str | Macro", ...]


def read(text: str, *, explanation: bool = False) -> Template:
    """A macro-string; in an explanation spaces and the letters c, r and t are allowed, too. Raises Stopped."""
    pattern = _PART_OF_TEXT if explanation else _PART
    letters = _LETTERS_OF_TEXT if explanation else _LETTERS
    parts: list[str | Macro] = []
    position = 0
    while position < len(text):
        match = pattern.match(text, position)
        if match is None:
            raise permerror(f"A macro cannot be read ({printable(text)}).")
        position = match.end()
        if match["literal"]:
            parts.append(match["literal"])
        elif match["escape"]:
            parts.append(_ESCAPES[match["escape"]])
        else:
            letter, digits = match["letter"], match["digits"]
            if letter.lower() not in letters or (digits and not int(digits[:9])):
                raise permerror(f"A macro is unknown or keeps no part ({printable(text)}).")
            keep = int(digits[:9]) if digits else 0
            parts.append(Macro(letter.lower(), keep, bool(match["reverse"]), match["delimiters"], letter.isupper()))
    return tuple(parts)


def read_domain(text: str) -> Template:
    """A domain-spec: a macro-string that ends in a top label or a macro. Raises Stopped."""
    template = read(text)
    if not template:
        raise permerror("A term names no domain.")
    if not _ENDS_EXPANDED.fullmatch(text):
        _, dot, top = text.removesuffix(".").rpartition(".")
        if not dot or not _TOP_LABEL.fullmatch(top):
            raise permerror(f"A term names no domain ({printable(text)}).")
    return template


def uses(template: Template, letter: str) -> bool:
    """Whether the macro `letter` occurs."""
    return any(isinstance(part, Macro) and part.letter == letter for part in template)


def expand(template: Template, value: Callable[[str], str]) -> str:
    """The text; `value` gives what each letter stands for."""
    out = []
    for part in template:
        if isinstance(part, str):
            out.append(part)
            continue
        text = value(part.letter)
        if part.keep or part.reverse or part.delimiters:
            pieces = _split(text, part.delimiters or ".")
            if part.reverse:
                pieces.reverse()
            text = ".".join(pieces[-part.keep :] if part.keep else pieces)
        out.append(quote(text, safe="-._~") if part.escaped else text)
    return "".join(out)


def _split(text: str, delimiters: str) -> list[str]:
    for delimiter in delimiters[1:]:
        text = text.replace(delimiter, delimiters[0])
    return text.split(delimiters[0])


def as_name(text: str) -> str | None:
    """The expanded domain as a DNS name, left labels cut until it fits (section 7.3); None when no such name exists."""
    name = text.removesuffix(".")
    while len(name) > MAX_NAME:
        _, dot, name = name.partition(".")
        if not dot:
            return None
    labels = name.split(".")
    return name.lower() if name.isascii() and all(0 < len(label) <= 63 for label in labels) else None


def dotted(client: Address) -> str:
    """The i macro: dotted quad, or nibbles of IPv6."""
    if isinstance(client, IPv4Address):
        return str(client)
    return ".".join(client.exploded.replace(":", "")).upper()  # as the published suite has it; names are lowered


def printable(text: str, limit: int = 60) -> str:
    """A stranger's text as a part of our sentence: ASCII, no quotes of ours to break, short."""
    shown = text.encode("ascii", "backslashreplace").decode("ascii")
    shown = "".join(c if " " <= c <= "~" else "?" for c in shown)
    return shown if len(shown) <= limit else shown[:limit] + "..."
