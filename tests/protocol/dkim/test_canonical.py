"""Canonicalisation against RFC 6376 and a plain line-by-line reading of it."""

from __future__ import annotations

import hashlib
import re
import tracemalloc

import dkim.canonicalization  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailward.protocol.dkim import canonical
from tests.spent import within


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


OCTETS = st.lists(st.sampled_from([b" ", b"\t", b"\r\n", b"\r", b"\n", b"a", b" " * 9, b"\r\n" * 9]), max_size=30)


@given(OCTETS.map(b"".join), st.integers(1, 12))
def test_pieces_make_the_whole(body: bytes, size: int) -> None:
    """Wherever a body is cut, its pieces are the whole, with bare CR and LF as they stood; and so is its hash."""
    bare = re.sub(rb"(?:\r\n)+\Z", b"", re.sub(rb" (?=\r\n|\Z)", b"", re.sub(rb"[ \t]+", b" ", body)))
    relaxed = bare + b"\r\n" if bare else b""
    assert b"".join(canonical.relaxed_pieces(body, size)) == canonical.relaxed_body(body) == relaxed
    simple = re.sub(rb"(?:\r\n)+\Z", b"", body) + b"\r\n"
    assert canonical.simple_body(body) == simple
    assert canonical.body_hash(body, relaxed=True) == hashlib.sha256(relaxed).digest()
    assert canonical.body_hash(body, relaxed=False) == hashlib.sha256(simple).digest()


@given(OCTETS.map(b"".join), st.integers(1, 12))
def test_as_dkimpy_has_it(body: bytes, size: int) -> None:
    """What an implementation nobody here wrote makes of the same body, which ends its lines with CRLF."""
    body = re.sub(rb"\r(?!\n)|(?<!\r)\n", b"a", body)
    theirs = dkim.canonicalization
    assert canonical.simple_body(body) == theirs.Simple.canonicalize_body(body)
    expected = theirs.Relaxed.canonicalize_body(body)
    # dkimpy leaves an empty relaxed body one CRLF, and takes no white space off an end without a line break.
    if re.search(rb"[^ \t\r\n]", body) and body.endswith(b"\r\n"):
        assert b"".join(canonical.relaxed_pieces(body, size)) == expected


MB25 = 25_000_000
DEAR: dict[str, tuple[bytes, bytes, bytes]] = {
    "line breaks": (b"x", b"\r\n", b""),
    "blank lines": (b"", b" \r\n", b""),
    "blank lines of tabs": (b"", b"\t\r\n", b""),
    "line breaks, then a word": (b"", b"\r\n", b"x"),
    "bare CR": (b"", b"\r", b"\r\n"),
    "bare CR before CRLF": (b"", b"\r\r\n", b""),
    "LF before CR": (b"", b"\n\r", b"\n"),
    "spaces": (b"", b" ", b""),
    "spaces and tabs": (b"", b" \t", b""),
    "seven spaces a word": (b"", b"a" + b" " * 7, b""),
}


@pytest.mark.parametrize("relaxed", [True, False])
@pytest.mark.parametrize("what", DEAR)
def test_a_large_body_costs_little(what: str, relaxed: bool) -> None:
    """25 MB of whatever the canonical form leaves out cost a fraction of a second, and no memory."""
    first, piece, last = DEAR[what]
    body = first + piece * (MB25 // len(piece)) + last
    within(0.8, lambda: canonical.body_hash(body, relaxed=relaxed))
    tracemalloc.start()
    try:
        canonical.body_hash(body, relaxed=relaxed)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_headers() -> None:
    """Names and values of RFC 6376 section 3.4.5; VT and FF are no white space to DKIM."""
    assert canonical.relaxed_header(b"a", b"A: X\r\n") == b"a:X\r\n"
    assert canonical.relaxed_header(b"b", b"B : Y\t\r\n\tZ  \r\n") == b"b:Y Z\r\n"
    assert canonical.relaxed_header(b"c", b"C: \x0ba \x0c b\r\n") == b"c:\x0ba \x0c b\r\n"
    assert canonical.relaxed_header(b"d", b"D:\r\n") == b"d:\r\n"
