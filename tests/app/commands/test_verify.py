"""What `mailward verify` takes, prints and answers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mailward.app.commands.verify import Progress, choose, counted, table, verify
from mailward.core.evidence.model import Control, Line, State

NOW = datetime(2026, 3, 4, tzinfo=UTC)


def _line(state: State, *evidence: str, missing: str = "", duty: str = "") -> Line:
    return Line("REST-1", state, "Whatever is written is ciphertext.", evidence, missing, duty, NOW)


def test_names_choose() -> None:
    """Every control without a name; those named, in catalogue order, whatever their case."""
    assert len(choose(())) == 66
    assert [c.id for c in choose(("rate-2", "REST-1"))] == ["REST-1", "RATE-2"]


def test_an_unknown_name_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and a sentence, before anything is opened."""
    assert verify("REST-99") == 2
    assert "REST-99" in capsys.readouterr().err


def test_a_part_never_reads_as_the_whole() -> None:
    """What is missing stands below what was seen; a planned promise tells it when it was asked for by name."""
    part = table(_line(State.PARTLY, "seen", missing="the rest", duty="do it"), width=100, whole=False)
    assert part.splitlines()[0].startswith("PART REST-1 ")
    assert [text.strip() for text in part.splitlines()[1:]] == ["seen", "missing: the rest", "yours to do: do it"]
    planned = _line(State.PLANNED, missing="all of it")
    assert "all of it" not in table(planned, width=100, whole=False)
    assert "all of it" in table(planned, width=100, whole=True)


def test_long_lines_are_wrapped() -> None:
    """No line is wider than the terminal."""
    text = table(_line(State.FAILING, "word " * 60), width=80, whole=False)
    assert max(map(len, text.splitlines())) <= 80


def test_the_summary_names_every_state() -> None:
    """Zeros included, so that a program can rely on them."""
    assert counted([_line(State.PROVED)]) == {s.value: int(s is State.PROVED) for s in State}


def test_progress_is_for_terminals(capsys: pytest.CaptureFixture[str]) -> None:
    """Piped, nothing of it is written."""
    for on in (False, True):
        progress = Progress(2, on=on)
        progress.show(Control("REST-1", "x"))
        progress.clear()
        assert bool(capsys.readouterr().err) is on
