"""`mailward verify`: run the check behind every promise, or behind the ones named."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from cyclopts import Parameter

from mailward.adapters.host.clock import SystemClock
from mailward.adapters.vault.files import UNGUARDED
from mailward.app.checks import CHECKS
from mailward.app.commands.output import Config, Json, Workspace, print_json
from mailward.app.commands.progress import Bar
from mailward.app.context import Context, run
from mailward.app.settings import load
from mailward.app.verifying import WITHIN_SECONDS, Deadline, barred, store_lines
from mailward.core.evidence.catalogue import CATALOGUE
from mailward.core.evidence.keep import COMMAND
from mailward.core.evidence.model import Control, Line, State
from mailward.core.evidence.verify import verify as run_checks
from mailward.core.identity.credentials import REHEARSAL

_MARKS = {
    State.PROVED: "PASS",
    State.PARTLY: "PART",
    State.FAILING: "FAIL",
    State.NOT_CONFIGURED: "n/c",
    State.OPERATOR_DUTY: "duty",
    State.PLANNED: "plan",
    State.NOT_REACHED: "time",
}
_INDENT = 18
_FAILING, _WRONG_USE, _UNFINISHED = 1, 2, 3


def verify(
    *ids: str,
    within: Annotated[
        int, Parameter(help="Seconds for all checks together; 600 where nothing is said.")
    ] = WITHIN_SECONDS,
    config: Config = None,
    workspace: Workspace = None,
    json: Json = False,
) -> int:
    """Check promises against the running installation and say where each stands; all of them, or those named.

    What is found is stored: the page /trust tells it. What was not reached when the time was up is neither proved nor
    failing; of it what an earlier run found stays.

    Exit codes: 0 when no check fails, 1 when one does, 2 when there is no promise of that name, 3 when none failed and
    some were not reached.
    """
    if within < 1:
        print("mailward: --within is a number of seconds, 1 or more", file=sys.stderr)
        return _WRONG_USE
    try:
        chosen = choose(ids)
    except KeyError as e:
        print(f"mailward: there is no promise {e.args[0]}; `mailward verify` lists them all", file=sys.stderr)
        return _WRONG_USE

    def show(lines: list[Line]) -> int:
        if json:
            print_json({"at": SystemClock().now(), "summary": counted(lines), "controls": lines})
        else:
            width = min(shutil.get_terminal_size((120, 24)).columns, 140)
            for line in lines:
                print(table(line, width=width, whole=bool(ids)))
            print("\n" + ", ".join(f"{n} {state.replace('_', ' ')}" for state, n in counted(lines).items()))
        return exit_code(lines)

    async def act(context: Context) -> int:
        progress = Progress(len(chosen), on=sys.stderr.isatty())
        # A check of a promise that was not asked for does not run.
        wanted = {c.id: CHECKS[c.id] for c in chosen if c.id in CHECKS}
        # What a check makes and takes away again is marked as its own: lists for people leave it out.
        context.actor = replace(context.actor, id=REHEARSAL)
        lines = await run_checks(
            chosen, wanted, context, now=context.clock.now(), began=progress.show, within=Deadline(within)
        )
        progress.clear()
        await store_lines(context, lines, COMMAND, whole=not ids, now=context.clock.now())
        return show(lines)

    if lines := barred(load(config, os.environ), chosen, CHECKS, SystemClock().now()):
        return show(lines)
    looking = UNGUARDED.set(True)
    try:
        return run(config, workspace, act, unjudged=True)
    finally:
        UNGUARDED.reset(looking)


def choose(ids: Sequence[str]) -> list[Control]:
    """The controls of these names in catalogue order, every one when none is named. KeyError for an unknown name."""
    wanted = [id.upper() for id in ids]
    known = {c.id for c in CATALOGUE}
    for id in wanted:
        if id not in known:
            raise KeyError(id)
    return [c for c in CATALOGUE if not wanted or c.id in wanted]


def exit_code(lines: Sequence[Line]) -> int:
    """What a program learns of a run: a failing check comes before one that was not reached."""
    states = {line.state for line in lines}
    if State.FAILING in states:
        return _FAILING
    return _UNFINISHED if State.NOT_REACHED in states else 0


def counted(lines: Sequence[Line]) -> dict[str, int]:
    """How many controls stand where; every state is named."""
    counts = Counter(line.state for line in lines)
    return {state.value: counts[state] for state in State}


def table(line: Line, *, width: int, whole: bool) -> str:
    """A control for reading: its mark, name and claim, then what was seen, what is missing and what is the operator's.

    What is missing of a promise that is only planned is told when `whole`.
    """
    told = [(text, "") for text in line.evidence]
    if line.state is State.PARTLY:
        told.append((line.missing or "a part is not configured", "missing: "))
    elif line.missing and whole:
        told.append((line.missing, "missing: "))
    if line.duty:
        told.append((line.duty, "yours to do: "))
    out = [_wrapped(f"{_MARKS[line.state]:<5}{line.id:<{_INDENT - 5}}{line.claim}", width)]
    out += [_wrapped(" " * _INDENT + word + text, width) for text, word in told]
    return "\n".join(out)


def _wrapped(text: str, width: int) -> str:
    return textwrap.fill(
        text, max(width, 60), subsequent_indent=" " * _INDENT, break_long_words=False, break_on_hyphens=False
    )


class Progress:
    """A bar on the terminal with the check that runs now; nothing when nobody looks."""

    def __init__(self, of: int, *, on: bool) -> None:
        self._of = of
        self._at = 0
        self._bar = Bar(sys.stderr, lines=False, terminal=on)

    def show(self, control: Control) -> None:
        """The next one begins."""
        self._at += 1
        self._bar.table(control.id, self._at, self._of)

    def clear(self) -> None:
        """The line goes."""
        self._bar.end()
