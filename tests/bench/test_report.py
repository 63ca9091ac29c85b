"""Gates are judged from medians, and a missing figure is never a pass."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.cases import Plan, Results
from bench.report import figures, table, verdicts
from bench.targets import GATES


def _results(rate: float) -> Results:
    results = Results()
    for value in (1.0, 100.0, 5000.0):
        results.add("postfix", "accept_10k_20", "rate", value)
    results.add("mailward", "accept_10k_20", "rate", rate)
    return results


def test_a_ratio_is_of_medians() -> None:
    """One wild round changes nothing."""
    assert figures(_results(300.0)) == {"accept_10k_20": 3.0}


def test_verdicts() -> None:
    """At the bound it passes, under it fails, and what was not measured is neither."""
    assert verdicts(_results(300.0), Plan())[0][0] == "PASS"
    assert verdicts(_results(299.0), Plan())[0][0] == "FAIL"
    assert {v for v, _, _ in verdicts(_results(300.0), Plan())[1:]} == {"none"}


def test_large_gates_only_when_asked() -> None:
    """A run without the million says nothing about it."""
    large = sum(g.large for g in GATES)
    assert len(verdicts(Results(), Plan())) == len(GATES) - large
    assert len(verdicts(Results(), Plan(large=True))) == len(GATES)


def test_the_table_has_a_line_a_case_and_server() -> None:
    """Absent measures show as a dash."""
    lines = table(_results(300.0)).splitlines()
    assert len(lines) == 3
    assert lines[1].split()[:2] == ["accept_10k_20", "mailward"]
    assert lines[1].split()[-1] == "-"
