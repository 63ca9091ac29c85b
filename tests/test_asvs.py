"""docs/asvs.md says what the tests prove: nothing made up, nothing forgotten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import asvs


def test_the_page_is_made_of_the_marks_as_they_are() -> None:
    """A mark added or gone, an answer added or gone: the page has to be made again, and looked at."""
    assert asvs.OUT.read_text("utf-8") == asvs.page(asvs.rows(), asvs.marks()), (
        "run `make asvs`, and review what changed"
    )


def test_every_requirement_of_levels_1_and_2_is_answered(conformance: Path) -> None:
    """The 253 of the published list, each once, at its level; none left out, none made up."""
    published = json.loads((conformance / "asvs" / "asvs-5.0.0.flat.json").read_text("utf-8"))["requirements"]
    wanted = {r["req_id"].removeprefix("V"): int(r["L"]) for r in published if r["L"] in ("1", "2")}
    assert len(wanted) == 253
    assert {row.id: row.level for row in asvs.rows()} == wanted
    assert len(asvs.rows()) == 253


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ('@pytest.mark.asvs("9.9.9")\ndef test_a() -> None: ...\n', "there is no requirement 9.9.9"),
        ('@pytest.mark.asvs("1.1.1")\ndef helper() -> None: ...\n', "neither on a test"),
        ("@pytest.mark.asvs(ID)\ndef test_a() -> None: ...\n", "written out"),
        ('@pytest.mark.asvs("1.1.1", "1.1.2")\ndef test_a() -> None: ...\n', "1.1.2: tested, and open"),
        ("def test_a() -> None: ...\n", "1.1.1: no test"),
        ('pytestmark = [pytest.mark.asvs("1.1.1")]\ndef test_a() -> None: ...\n', ""),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, source: str, fault: str) -> None:
    """A claim for nothing, on nothing, hidden, or against an answer that stands, and an answer without a claim."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_x.py").write_text(source + "# mark.asvs\n")
    rows = [asvs.Row("1.1.1", "V1", 1, "a", "", ""), asvs.Row("1.1.2", "V1", 2, "b", asvs.OPEN, "it is missing")]
    if fault:
        with pytest.raises(ValueError, match=fault):
            asvs.page(rows, asvs.marks(tmp_path / "tests"))
    else:
        assert "1 tested, 0 not applicable, 1 open" in asvs.page(rows, asvs.marks(tmp_path / "tests"))
