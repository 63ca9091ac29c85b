"""Passwords that others know: a list of the most common ones that ships with us, and a file of the operator's.

Nothing is asked of anybody outside. The operator's file holds SHA-1 hashes in upper case
and in order, a line each, with `:count` behind or not: the form in which Have I Been
Pwned's passwords can be had. Forty gigabytes of it cost some thirty reads a look.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import BinaryIO

from mailward.base.errors import Invalid

_HASH = 40
_LONGEST_LINE = 64

Breached = Callable[[str], bool]
"""Whether a password is known to others."""


@cache
def _common() -> frozenset[str]:
    folder = resources.files("mailward.core.identity") / "data"
    return frozenset((folder / "common_passwords.txt").read_text("ascii").split())


def is_common(password: str) -> bool:
    """Whether it is among the most common ones, whatever the case of its letters."""
    return password.lower() in _common()


def in_sorted_file(file: BinaryIO, password: str) -> bool:
    """Whether its hash is a line of a sorted file, found by halving."""
    # SHA-1 is the file's form, not our protection: nothing is kept of the hash.
    wanted = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper().encode()
    low, high = 0, file.seek(0, 2)
    # Lines that begin before `low` are smaller; the line that begins at or after `high` is not.
    while low < high:
        middle = (low + high) // 2
        start, line = _line_from(file, middle)
        if not line or start >= high:
            # No line begins in the upper half.
            high = middle
            continue
        found = line[:_HASH].upper()
        if found == wanted:
            return True
        if found < wanted:
            low = start + len(line)
        else:
            high = middle
    _, line = _line_from(file, low)
    return line[:_HASH].upper() == wanted


def _line_from(file: BinaryIO, at: int) -> tuple[int, bytes]:
    """The first line that begins at `at` or later, and where; b"" past the end."""
    if at:
        file.seek(at - 1)
        file.readline(_LONGEST_LINE)
    else:
        file.seek(0)
    start = file.tell()
    return start, file.readline(_LONGEST_LINE)


_LISTS: list[Breached] = []


def also_in(look: Breached | None) -> None:
    """Have `refuse` look into the operator's list too, wherever a password is set in this process.

    Told once, at the start: like the list that ships with us it is data of the process.
    """
    _LISTS[:] = [] if look is None else [look]


def refuse(password: str) -> None:
    """Return for a password that nobody is known to know; Invalid, with advice, otherwise. Reads files."""
    if is_common(password):
        raise Invalid(
            "password_common",
            "This is one of the most common passwords, which attackers try first. Use four or five unrelated words.",
            field="password",
        )
    if any(look(password) for look in _LISTS):
        raise Invalid(
            "password_breached",
            "This password has been in a data breach, so attackers have it. Choose another one, and change it wherever "
            "else you use it.",
            field="password",
        )
