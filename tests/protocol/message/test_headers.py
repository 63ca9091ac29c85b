"""Splitting headers and putting them back."""

from __future__ import annotations

import contextlib
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailward.base.errors import Invalid
from mailward.protocol.message import headers
from tests.spent import within

MESSAGE = b"Received: a\r\n\tfolded\r\nFrom: a@b.c\r\nX-Empty:\r\nFROM: again@b.c\r\n\r\nbody\r\n\r\n more"


def test_order_case_and_folding_survive() -> None:
    """Every raw field comes back byte for byte and in order, its name in lower case."""
    parsed = headers.split(MESSAGE)
    assert [name for name, _ in parsed.fields] == [b"received", b"from", b"x-empty", b"from"]
    assert b"".join(raw for _, raw in parsed.fields) + b"\r\n" + MESSAGE[parsed.body_offset :] == MESSAGE
    assert headers.find(parsed, b"from") == [b"From: a@b.c\r\n", b"FROM: again@b.c\r\n"]
    assert headers.first_value(parsed, b"received") == b"a\tfolded"


def test_removing_and_prepending_leaves_the_body_alone() -> None:
    """Taking fields out and putting lines before changes no byte of the body."""
    parsed = headers.split(MESSAGE)
    kept = headers.without(parsed.fields, {b"from"})
    assert headers.assemble(b"New: 1\r\n", kept, MESSAGE, parsed.body_offset) == (
        b"New: 1\r\nReceived: a\r\n\tfolded\r\nX-Empty:\r\n\r\nbody\r\n\r\n more"
    )


@pytest.mark.parametrize(
    "content",
    [b"no colon here\r\n\r\n", b"From : a@b.c\r\n\r\n", b" starts folded\r\n\r\n", b"A: b\nC: d\r\n\r\n",
     b"A: b\rC: d\r\n\r\n", b"A: \0\r\n\r\n", b": no name\r\n\r\n", b"A b: c\r\n\r\n", b"A: b",
     "Ä: b\r\n\r\n".encode()],
)  # fmt: skip
def test_what_is_no_field_is_refused_or_kept_nameless(content: bytes) -> None:
    """A line that is no field is refused when strict; tolerant reading never raises."""
    with pytest.raises(Invalid) as caught:
        headers.split(content)
    assert caught.value.code == "header_malformed"
    headers.split(content, tolerant=True)


def test_caps_have_their_own_codes() -> None:
    """65 KiB of header and 1,001 fields are not let in, each with its code; just below both pass."""
    with pytest.raises(Invalid, match="header_too_large"):
        headers.admit(headers.split(b"X: " + b"a" * 65_532 + b"\r\n\r\nbody"))
    with pytest.raises(Invalid, match="too_many_headers"):
        headers.admit(headers.split(b"X: a\r\n" * 1001 + b"\r\n"))
    assert len(headers.admit(headers.split(b"X: a\r\n" * 1000 + b"\r\n")).fields) == 1000
    headers.admit(headers.split(b"X: " + b"a" * 65_531 + b"\r\n\r\nbody"))
    for beyond in (b"X: " + b"a" * 90_000 + b"\r\n\r\nbody", b"X: a\r\n" * 1100 + b"\r\n"):
        with pytest.raises(Invalid, match=r"header_too_large|too_many_headers"):
            headers.split(beyond)


def test_what_was_let_in_can_be_read_with_what_we_added() -> None:
    """Trace, identifiers and labels on top of a header at its caps."""
    ours = b"Received: by us\r\n" * 8 + b"Authentication-Results: x; " + b"y" * 8000 + b"\r\n"
    for most in (b"X: a\r\n" * 1000 + b"\r\n", b"X: " + b"a" * 65_531 + b"\r\n\r\nbody"):
        headers.admit(headers.split(most))
        assert headers.split(ours + most).fields[-1][0] == b"x"
    assert len(headers.split(b"X: a\r\n" + b" b\r\n" * 5000 + b"\r\n").fields) == 1


def test_no_body_and_no_header() -> None:
    """A message may lack its body or its header."""
    assert headers.split(b"\r\nbody") == headers.Parsed([], 2)
    assert headers.split(b"A: b\r\n").body_offset == 6
    assert headers.split(b"A: b\r\n\r\n").fields == [(b"a", b"A: b\r\n")]


@pytest.mark.parametrize(("length", "long"), [(998, False), (999, True), (1000, True), (5000, True)])
def test_a_line_is_long_past_998_bytes(length: int, long: bool) -> None:
    """998 bytes without the line break are allowed, 999 are not, wherever the line stands."""
    for before in (b"", b"x\r\n", b"x\r\n" * 700, b"y" * 997 + b"\r\n"):
        for after in (b"", b"\r\n", b"\r\nmore\r\n" * 3):
            assert headers.has_long_line(before + b"a" * length + after) is long


@given(st.lists(st.integers(0, 1300), max_size=12))
def test_long_lines_are_found_as_a_plain_loop_finds_them(lengths: list[int]) -> None:
    """The skipping search agrees with looking at every line."""
    data = b"\r\n".join(b"a" * n for n in lengths)
    assert headers.has_long_line(data) is any(n > 998 for n in lengths)


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_or_split_without_loss(data: bytes) -> None:
    """Strict splitting raises only Invalid; what it returns joins to the same bytes."""
    try:
        parsed = headers.split(data)
    except Invalid:
        return
    joined = b"".join(raw for _, raw in parsed.fields)
    assert data.startswith(joined[:-2])
    assert data[parsed.body_offset :] == data[len(joined) + 2 :] or parsed.body_offset == len(data)


def test_a_full_header_is_split_quickly() -> None:
    """64 KiB of any shape takes milliseconds, not seconds."""
    for line in (b"A: b\r\n", b" \r\n", b"a\r\n", b":\r\n", b"A:" + b" " * 900 + b"\r\n"):
        data = b"A: b\r\n" + line * (60_000 // len(line)) + b"\r\n"
        with contextlib.suppress(Invalid):
            within(0.5, partial(headers.split, data, tolerant=True))
