"""What `mailward verify` takes, prints and answers."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime

import pytest

from mailward.app.commands.verify import Progress, choose, counted, exit_code, table, verify
from mailward.app.verifying import Deadline
from mailward.core.evidence.model import Control, Finding, Line, State, passed
from mailward.core.evidence.verify import verify as run_checks

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


def test_what_was_not_reached_is_neither_proved_nor_failing() -> None:
    """It has an exit code of its own, which a failing check comes before."""
    late, proved, failing = _line(State.NOT_REACHED, "not begun"), _line(State.PROVED), _line(State.FAILING)
    assert exit_code([proved]) == 0
    assert exit_code([proved, late]) == 3
    assert exit_code([late, failing]) == 1
    assert table(late, width=100, whole=False).splitlines()[1].strip() == "not begun"


async def test_the_time_is_for_all_checks_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that does not end is broken off and tidies up, what follows is not begun, what ended before counts."""
    seen: list[str] = []
    loop, passed_by = asyncio.get_running_loop(), [0.0]
    real = loop.time
    monkeypatch.setattr(loop, "time", lambda: real() + sum(passed_by))

    async def time_goes_by() -> None:
        passed_by.append(4000)
        await asyncio.Event().wait()

    async def holds(_: None) -> Finding:
        seen.append("held")
        return passed("seen")

    async def hangs(_: None) -> Finding:
        try:
            await time_goes_by()
        finally:
            seen.append("tidied")
        return passed("never")

    async def stays_silent(_: None) -> Finding:
        with contextlib.suppress(asyncio.CancelledError):
            await time_goes_by()
        return passed("although it was told to stop")

    async def gives_up(_: None) -> Finding:
        raise TimeoutError

    controls = [Control(id, "A promise.") for id in ("X-1", "X-2", "X-3", "X-4")]
    for stuck in (hangs, stays_silent):
        checks = {"X-1": [holds], "X-2": [gives_up], "X-3": [holds, stuck], "X-4": [holds]}
        lines = await run_checks(controls, checks, None, now=NOW, within=Deadline(3600))
        states = [State.PROVED, State.FAILING, State.NOT_REACHED, State.NOT_REACHED]
        assert [line.state for line in lines] == states
        assert lines[2].evidence == ("seen", "broken off: the time for the run was up")
        assert lines[3].evidence == ("not begun: the time for the run was up",)
    assert seen == ["held", "held", "tidied", "held", "held"]


def test_no_time_at_all_is_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and a sentence."""
    assert verify(within=0) == 2
    assert "--within" in capsys.readouterr().err


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
