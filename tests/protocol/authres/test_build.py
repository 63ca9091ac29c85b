"""Writing Authentication-Results: what goes in comes out again, and nothing breaks out of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailward.protocol.authres.build import build, value
from mailward.protocol.authres.model import AuthenticationResults, MethodResult, Property
from mailward.protocol.authres.read import parse
from mailward.protocol.message import headers

PRINTABLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=80)


@given(st.lists(st.tuples(PRINTABLE, PRINTABLE), max_size=12))
def test_round_trip(pairs: list[tuple[str, str]]) -> None:
    """Any printable reason and value is read back as it was; lines fold at 78 where there is a space."""
    found = AuthenticationResults(
        "mx.ours.example",
        tuple(MethodResult("dkim", "fail", reason, (Property("header", "d", shown),)) for reason, shown in pairs),
    )
    field = build(found)
    assert parse(field) == found
    assert field.endswith(b"\r\n") and b"\n" not in field.replace(b"\r\n ", b"")[:-2]
    assert len(headers.split(field + b"\r\n").fields) == 1


@given(st.text(max_size=100))
def test_nothing_breaks_out(text: str) -> None:
    """A stranger's words, whatever they hold, stay one value of one field in printable ASCII."""
    shown = (Property("smtp", "mailfrom", text),)
    field = build(AuthenticationResults("mx.ours.example", (MethodResult("spf", "fail", text, shown),)))
    assert all(32 <= octet < 127 for octet in field.replace(b"\r\n ", b" ")[:-2])
    again = parse(field)
    assert again is not None and len(again.results) == 1 and again.results[0].result == "fail"


def test_folding() -> None:
    """Each result starts a line, and long ones fold."""
    results = tuple(
        MethodResult("dkim", "fail", "word " * 30, (Property("header", "d", "example.com"),)) for _ in range(2)
    )
    lines = build(AuthenticationResults("mx.ours.example", results)).split(b"\r\n")
    assert lines[0] == b"Authentication-Results: mx.ours.example;"
    assert all(len(line) <= 78 for line in lines)
    assert sum(line.startswith(b" dkim=fail") for line in lines) == 2


def test_none() -> None:
    """No results read "none"."""
    assert value(AuthenticationResults("mx.ours.example")) == b"mx.ours.example; none"


def test_names_are_ours() -> None:
    """A name that is no token is a mistake of ours and not written."""
    with pytest.raises(ValueError):
        build(AuthenticationResults("mx ours"))
