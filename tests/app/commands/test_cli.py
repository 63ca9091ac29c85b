"""The table of contents: every command is found by its name and says what it is for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mailward import __version__


@pytest.mark.parametrize("wanted", [[], ["--help"]])
def test_the_list_of_commands_names_each_with_its_purpose(wanted: list[str]) -> None:
    """`mailward` and `mailward --help` list every command, with a sentence on each, and exit with 0."""
    done = subprocess.run(
        [sys.executable, "-m", "mailward", *wanted], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.strip("│ ").split(None, 1) for line in done.stdout.splitlines() if line.startswith("│")]
    told = {row[0]: row[1] for row in rows if len(row) == 2}
    for name in ("up", "doctor", "verify", "storage", "message", "webhook", "audit", "vault", "migrate-store", "node"):
        assert told.get(name), f"{name} is not listed, or says nothing of itself"


def test_a_hyphen_is_standard_input() -> None:
    """`mailward bounce explain -` reads what is piped to it."""
    done = subprocess.run(
        [sys.executable, "-m", "mailward", "bounce", "explain", "-"],
        input="Subject: hello\n\nno bounce\n", capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("kind:")


@pytest.mark.parametrize("limit", ["0", "-5", "many"])
def test_a_list_has_a_limit_that_means_something(limit: str) -> None:
    """Not "all", which is what no limit at all would be."""
    done = subprocess.run(
        [sys.executable, "-m", "mailward", "message", "list", "--limit", limit],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "--limit" in done.stdout + done.stderr


def test_the_version() -> None:
    """`mailward --version` prints it and nothing else."""
    done = subprocess.run(
        [sys.executable, "-m", "mailward", "--version"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{__version__}\n", "")
