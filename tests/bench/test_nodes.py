"""Which cores nodes have, and which the rest; and that the reader is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.nodes import layout, pinned, sentence
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
