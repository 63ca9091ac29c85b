"""Keep what a run of checks found, so that a page can tell it without running anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from mailward.base import ids
from mailward.base.sources import Entropy
from mailward.core.evidence.model import Change, Line, Run, State
from mailward.core.evidence.ports import ResultsTx

SCHEDULE = "schedule"
COMMAND = "command"
"""What caused a run: the schedule, or somebody who gave the command."""

_RUNS_KEPT = timedelta(days=400)


async def keep(
    tx: ResultsTx, lines: Sequence[Line], cause: str, *, whole: bool, now: datetime, entropy: Entropy
) -> list[Change]:
    """Store every line in the place of the one before, and a change where the state is another; the changes.

    `whole` says that every control was asked: only then is it a run that the schedule counts. Of what was not reached
    the line before stays, with its date.
    """
    before = await tx.results.states()
    changes = []
    for line in lines:
        if line.state is State.NOT_REACHED:
            continue
        await tx.results.put(line)
        if before.get(line.id) != line.state:
            change = Change(line.id, now, line.state)
            await tx.results.add_change(ids.new_raw(int(now.timestamp() * 1000), entropy), change)
            changes.append(change)
    if whole:
        counts = Counter(line.state for line in lines)
        run = Run(now, cause, {state.value: counts[state] for state in State if counts[state]})
        await tx.results.add_run(ids.new_raw(int(now.timestamp() * 1000), entropy), run)
        await tx.results.forget_runs(now - _RUNS_KEPT)
    return changes


def due(last: datetime | None, started: datetime, now: datetime, *, every: timedelta, first: timedelta) -> bool:
    """Whether the schedule's next run is due: `first` after the start, then `every` after the run before it.

    A run that another node or an earlier start did since then counts.
    """
    if last is None or last < started:
        return now >= started + first
    return now >= last + every
