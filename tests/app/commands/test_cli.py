"""The table of contents: every command is found by its name and says what it is for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mailward import __version__
from mailward.app.cli import _is_given
from mailward.app.prepare import prepare
from mailward.app.settings import load


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


@pytest.mark.parametrize(
    "words",
    [
        "advisories --pins {gone}",
        "advisories --pins={gone}",
        "advisories --pins {binary}",
        "bounce explain {gone}",
        "operator database-login --admin-url-file {gone}",
        "operator database-login --admin-url-file {binary}",
        "template push {gone}",
        "template push {binary}",
        "template push {folder}",
        "template preview welcome --data {gone}",
        "template preview welcome --data {binary}",
        "trust verify {gone} --key {gone}",
        "audit verify {gone}",
        "audit verify {binary} --checkpoint {binary}",
        "audit check --checkpoint {binary}",
        "migrate-store --from {binary} --to {gone}",
    ],
)
def test_a_file_that_cannot_be_read_is_told_in_a_sentence(tmp_path: Path, words: str) -> None:
    """Whichever command it was given to: not there, or no text. Never a traceback, and never as if it had been read."""
    data = tmp_path / "data"
    environ = {**os.environ, "MAILWARD_SERVER__DATA": str(data), "HOME": str(tmp_path)}
    prepare(load(None, {"MAILWARD_SERVER__DATA": str(data)}), lambda slot: True)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "subject.txt").write_bytes(b"\xff")
    given = words.format(**{name: tmp_path / name for name in ("gone", "binary", "folder")}).split()
    done = subprocess.run(
        [sys.executable, "-m", "mailward", *given],
        capture_output=True, text=True, timeout=60, check=False, env=environ, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode in (1, 2, 3), done
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("mailward: ") and len(done.stderr.splitlines()) == 1, done.stderr


def test_a_given_file_is_wrong_use_and_another_one_a_start_that_failed() -> None:
    """So a program can tell its own slip from an installation that cannot be read."""
    assert _is_given("/srv/pins", ["advisories", "--pins", "/srv/pins"])
    assert _is_given("/srv/pins", ["advisories", "--pins=/srv/pins"])
    assert _is_given("mails/subject.txt", ["template", "push", "mails"])
    assert not _is_given("/var/lib/mailward/state.lock", ["message", "list", "--config", "/etc/mailward.toml"])
