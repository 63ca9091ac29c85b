"""The marker search finds what it should find."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from mailward.app.checks.storage import search, spellings

MARKER = "mwmarker0123456789abcdef0123"


@pytest.mark.parametrize("before", [b"", b"x", b"xy", b"xyz"])
@pytest.mark.parametrize("coded", ["plain", "base64", "utf-16-le", "utf-16-be"])
def test_a_marker_is_found_in_every_spelling(tmp_path: Path, before: bytes, coded: str) -> None:
    """As it is, in UTF-16, and inside base64 whatever stands before it."""
    content = {
        "plain": before + MARKER.encode(),
        "base64": base64.b64encode(before + MARKER.encode() + b" and more"),
    }.get(coded) or before + MARKER.encode(coded)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(content)
    assert search(tmp_path, spellings(MARKER))[2] == ["deep/file"]


def test_a_marker_across_two_pieces_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a file is cut for reading makes no difference."""
    monkeypatch.setattr("mailward.app.checks.storage._PIECE", 5000)
    (tmp_path / "file").write_bytes(b"." * 4990 + MARKER.encode() + b"." * 5000)
    assert search(tmp_path, spellings(MARKER))[2] == ["file"]


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    """Only the marker counts."""
    (tmp_path / "file").write_bytes(b"mwmarker something else" * 100)
    assert search(tmp_path, spellings(MARKER)) == (1, 2300, [])
