"""`mailward bounce explain`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mailward.app.commands.bounce import explain
from mailward.base.errors import Invalid

SAMPLES = Path(__file__).parents[2] / "policy" / "returned" / "samples"


def test_a_bounce_is_explained_to_people(capsys: pytest.CaptureFixture[str]) -> None:
    """Kind, code, reason, effect, and what was said of each recipient."""
    assert explain(str(SAMPLES / "two-recipients.full.4.2.2.eml")) == 0
    shown = capsys.readouterr().out
    assert "kind:    full" in shown
    assert "nobody is suppressed" in shown
    assert "eve@customer.example  hard  5.1.1" in shown


def test_a_bounce_is_explained_to_programs(capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON document."""
    explain(str(SAMPLES / "postfix-unknown.hard.5.1.1.eml"), json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["kind"], told["hard"], told["status"]) == ("hard", True, "5.1.1")
    assert told["recipients"][0]["address"] == "bob@customer.example"


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    """No traceback."""
    with pytest.raises(Invalid, match="file_unreadable"):
        explain(str(tmp_path / "none.eml"))
