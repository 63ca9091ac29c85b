"""Bare newlines are found wherever they stand."""

from __future__ import annotations

import random
import re

import pytest

from mailward.protocol.newlines import only_crlf

_BARE = re.compile(rb"(?<!\r)\n|\r(?!\n)")


@pytest.mark.parametrize(
    "data", [b"", b"abc", b"\r\n", b"a\r\nb\r\n", b"\r\n" * 70_000, b"\xff\r\n\x80", b"a" * 262_143 + b"\r\n"]
)
def test_pairs_and_nothing_are_fine(data: bytes) -> None:
    """Content whose line ends are all CRLF, or that has none, passes."""
    assert only_crlf(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\n",
        b"\r",
        b"a\nb",
        b"a\rb",
        b"\r\r\n",
        b"\r\n\n",
        b"\n\r",
        b"a\r\nb\r",
        b"\na\r\n",
        b"\r\n" * 9000 + b"\n",
        b"a" * 262_143 + b"\ra",
        b"a" * 262_144 + b"\n",
        b"a" * 300_000 + b"\r",
        b"\n" + b"a" * 300_000,
    ],
)
def test_one_bare_octet_is_enough(data: bytes) -> None:
    """A single CR or LF on its own is found, first, last or in the middle."""
    assert not only_crlf(data)


def test_it_agrees_with_the_definition() -> None:
    """On random strings of the octets that matter the answer is the definition's."""
    chooser = random.Random(7)
    for _ in range(20_000):
        data = bytes(chooser.choices(b"\r\n\r\n\x85\x0b\x0c.\x00a", k=chooser.randrange(9)))
        assert only_crlf(data) is (_BARE.search(data) is None), data
