"""Canonicalisation against RFC 6376 and a plain line-by-line reading of it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailward.protocol.dkim import canonical


@pytest.mark.parametrize(
    ("body", "simple", "relaxed"),
    [
        (b"", b"\r\n", b""),
        (b"\r\n\r\n", b"\r\n", b""),
        (b" C \r\nD \t E\r\n\r\n\r\n", b" C \r\nD \t E\r\n", b" C\r\nD E\r\n"),
        (b"a", b"a\r\n", b"a\r\n"),
        (b" \t ", b" \t \r\n", b""),
        (b" \r\n\t\r\n", b" \r\n\t\r\n", b""),
        (b"a\r\n \r\n", b"a\r\n \r\n", b"a\r\n"),
    ],
)
def test_bodies(body: bytes, simple: bytes, relaxed: bytes) -> None:
    """The example of RFC 6376 section 3.4.5, and bodies that are empty or nearly so."""
    assert canonical.simple_body(body) == simple
    assert canonical.relaxed_body(body) == relaxed


@given(
    st.lists(st.sampled_from([b" ", b"\t", b"\r\n", b"a", b"b", b".", b"  ", b"\r\n\r\n"]), max_size=40).map(b"".join)
)
def test_relaxed_as_the_rfc_words_it(body: bytes) -> None:
    """The fast form equals: collapse runs, strip line ends, drop empty lines at the end, end in CRLF."""
    lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    assert canonical.relaxed_body(body) == b"".join(line + b"\r\n" for line in lines)


def test_headers() -> None:
    """Names and values of RFC 6376 section 3.4.5; VT and FF are no white space to DKIM."""
    assert canonical.relaxed_header(b"a", b"A: X\r\n") == b"a:X\r\n"
    assert canonical.relaxed_header(b"b", b"B : Y\t\r\n\tZ  \r\n") == b"b:Y Z\r\n"
    assert canonical.relaxed_header(b"c", b"C: \x0ba \x0c b\r\n") == b"c:\x0ba \x0c b\r\n"
    assert canonical.relaxed_header(b"d", b"D:\r\n") == b"d:\r\n"
