"""Encoded words."""

from __future__ import annotations

import email.header
import re
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailward.protocol.message import words
from tests.spent import within

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=300)


@given(TEXT, st.integers(0, 70))
def test_what_is_encoded_decodes_to_the_same(text: str, first: int) -> None:
    """Words are at most 75 characters, whole characters each, and decode to the text, by our reader and Python's."""
    encoded = words.encode(text, first)
    assert all(len(word) <= 75 and word.isascii() for word in encoded)
    for word in encoded:
        match = re.fullmatch(r"=\?utf-8\?[bq]\?[!->@-~]+\?=", word)
        assert match
        assert "\ufffd" not in words.decode_raw(word.encode()) or "\ufffd" in text
    assert words.decode_raw(" ".join(encoded).encode()) == text
    assert str(email.header.make_header(email.header.decode_header(" ".join(encoded)))) == text


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"plain", "plain"),
        (b"=?iso-8859-1?q?J=FCrgen?=", "Jürgen"),
        (b"=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        (b"=?utf-8?q?a?= b =?utf-8?q?c?=", "a b c"),
        (b"=?utf-8?b?w7w=?= x", "ü x"),
        (b"=?utf-8?q?=C3?= =?utf-8?q?=BC?=", "ü"),
        (b"=?utf-8*en?q?a_b?=", "a b"),
        (b"=?no-such?q?a?=", "a"),
        (b"=?utf-8?b?!!!?=", ""),
        (b"=?utf-8?x?a?=", "=?utf-8?x?a?="),
        (b"=?=?=?=?", "=?=?=?=?"),
        (b"caf\xe9", "caf\ufffd"),
        (b"=?punycode?q?a-b?=", "a-b"),
        (b"=?unicode_escape?q?=5Cn?=", "\\n"),
    ],
)
def test_display(raw: bytes, shown: str) -> None:
    """Well-formed words decode, everything else is shown as it stands."""
    assert words.decode(raw) == shown


@pytest.mark.asvs("1.1.1", "1.3.11")
@pytest.mark.parametrize("control", ["=0A", "=0D", "=00", "=0D=0A", "=E2=80=A8", "=C2=85", "=7F", "=1B"])
def test_decoding_makes_no_line(control: str) -> None:
    """CVE-2024-6923: an encoded line break is shown as U+FFFD and never becomes one."""
    shown = words.decode(b"=?UTF-8?Q?" + control.encode() + b"?=Bcc: x@y")
    assert shown.endswith("Bcc: x@y")
    assert shown.isprintable()
    assert len(shown.splitlines()) == 1


def test_hostile_runs_take_linear_time() -> None:
    """64 KiB of nearly encoded words are read in well under half a second."""
    for piece in (
        b"=?",
        b"=?=?=",
        b"=?utf-8?q?",
        b"=?utf-8?b?AAAA",
        b"=?a?q?x?=",
        b"=?a?q?x?= ",
        b"?=",
        b"=?utf-8?q?=3D",
    ):
        data = piece * (65536 // len(piece))
        within(0.5, partial(words.decode_raw, data))
