"""Which cores nodes have, and which the rest; and that the reader is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.nodes import at_most, layout, pinned, sentence
from bench.plan import Results
from tests.scenarios.peers import PeerFailed


def test_the_rest_has_cores_of_its_own_where_there_are_any() -> None:
    """With two cores the database and the load share those of the nodes, and the output says so."""
    assert layout({0, 1, 2, 5}) == ((0, 1), {2, 5})
    assert layout({3, 4}) == ((3, 4), {3, 4})
    assert "share the nodes' cores" in sentence({3, 4})
    assert "share" not in sentence({0, 1, 2})
    with pytest.raises(PeerFailed):
        layout({0})


def test_what_is_started_inside_is_pinned() -> None:
    """A process started inside keeps the core; who started it has its own back afterwards."""
    before = os.sched_getaffinity(0)
    core = min(before)
    with pinned({core}):
        child = [sys.executable, "-c", "import os; print(os.sched_getaffinity(0))"]
        found = subprocess.run(child, capture_output=True, text=True, check=True).stdout.strip()
    assert found == str({core})
    assert os.sched_getaffinity(0) == before


def test_what_two_cores_could_do_is_told() -> None:
    """Where all share two cores: what the ratio would be if a message cost no more on two nodes than on one."""
    results = Results()
    assert at_most(results, "nodes_accept_20", 2) == ""
    for measure, value in (("rate", 1600.0), ("cpu_per_1000", 0.75), ("load_cpu_per_1000", 0.25)):
        results.add("1 node", "nodes_accept_20", measure, value)
    assert "spend 1.00 s" in at_most(results, "nodes_accept_20", 2)
    assert "at most 1.25 times" in at_most(results, "nodes_accept_20", 2)
