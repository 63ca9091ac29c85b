"""The time frames for weaknesses of dependencies: documented, and those that registers hold an operator to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mailward.core.registers.model import PATCH_DAYS

SAID = Path(__file__).parents[3] / "SECURITY.md"


@pytest.mark.asvs("15.1.1")
def test_what_is_promised_is_what_is_held_to() -> None:
    """SECURITY.md names for each severity the days after which an open advisory is overdue."""
    text = " ".join(SAID.read_text("utf-8").split())
    (sentence,) = re.findall(r"critical within \d+ days[^;]*;", text)
    said = {word: int(days) for word, days in re.findall(r"(\w+) within (\d+)", sentence)}
    assert said == {severity.value: days for severity, days in PATCH_DAYS.items()}
