"""Gates are judged from medians, and a missing figure is never a pass."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.meter import Spent
from bench.plan import Plan, Results
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


@pytest.mark.parametrize(
    ("plan", "parts"),
    [
        (Plan(), {"mailward"}),
        (Plan(large=True), {"mailward", "large"}),
        (Plan(only=("postfix", "mailward-pg")), {"mailward-pg"}),
    ],
)
def test_gates_only_of_what_was_asked(plan: Plan, parts: set[str]) -> None:
    """A run says nothing about servers and long cases that it leaves out."""
    assert [m.partition(" (")[0] for _, _, m in verdicts(Results(), plan)] == [
        g.meaning.partition(" (")[0] for g in GATES if g.of in parts
    ]


def test_the_database_is_counted_with_and_apart() -> None:
    """CPU per message is of all processes; what the database had of it stands beside it."""
    results = Results()
    results.add_cpu("mailward-pg", "accept_10k_20", Spent(5.0, 2.0) - Spent(1.0, 0.5), 2000)
    assert results.median("mailward-pg", "accept_10k_20", "cpu_per_1000") == 2.0
    assert results.median("mailward-pg", "accept_10k_20", "database_cpu_per_1000") == 0.75
    results.add_cpu("postfix", "accept_10k_20", Spent(5.0) - Spent(1.0), 2000)
    assert results.median("postfix", "accept_10k_20", "database_cpu_per_1000") is None


def test_postgres_beside_postfix() -> None:
    """Its gates are ratios to Postfix of the same run."""
    results = _results(300.0)
    results.add("mailward-pg", "accept_10k_20", "rate", 190.0)
    assert figures(results)["pg_accept_10k_20"] == 1.9
    assert verdicts(results, Plan(only=("postfix", "mailward-pg")))[0][:2] == ("FAIL", "1.90x")


def test_the_table_has_a_line_a_case_and_server() -> None:
    """Absent measures show as a dash."""
    lines = table(_results(300.0)).splitlines()
    assert len(lines) == 3
    assert lines[1].split()[:2] == ["accept_10k_20", "mailward"]
    assert lines[1].split()[-1] == "-"


def test_two_nodes_beside_one() -> None:
    """The rates give one ratio; the nodes' own CPU another, in which the database and the load have no part."""
    results = Results()
    for name, rate, cpu in (("1 node", 400.0, 2.0), ("2 nodes", 500.0, 2.5)):
        results.add(name, "nodes_accept_20", "rate", rate)
        results.add(name, "nodes_accept_20", "node_cpu_per_1000", cpu)
    assert figures(results) == {"nodes_accept_20": 1.25, "nodes_accept_20_alone": 1.6}
