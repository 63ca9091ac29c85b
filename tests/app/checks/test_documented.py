"""The page about the checks names every promise that has one, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from mailward.app.checks import CHECKS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "security-checks.md"


def test_the_page_lists_what_is_checked() -> None:
    """A check without its line, or a line without its check, is a claim that nobody keeps."""
    rows = re.findall(r"^\| ([A-Z]+-\d+) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(CHECKS)
