"""What a run found is kept; a control that changes sides leaves a line in the history."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from mailward.app.store import Store
from mailward.core.evidence.keep import due, keep
from mailward.core.evidence.model import Control, Finding, Result, State, failed, not_reached, passed
from mailward.core.evidence.verify import verify
from tests.conftest import MovingClock, SeededEntropy

pytestmark = pytest.mark.claim("TRUST-1")

CONTROLS = (Control("A-1", "A holds."), Control("A-2", "B holds."))


async def test_a_control_that_breaks_is_red_at_the_next_run(
    store: Store, clock: MovingClock, entropy: SeededEntropy
) -> None:
    """Only its own line, with the check that found it and when; the history says since when."""
    holds = True

    async def look(_: None) -> Finding:
        """Look at A."""
        return passed("fine") if holds else failed("gone: 3 rows")

    async def other(_: None) -> Finding:
        return passed("fine")

    async def run() -> None:
        now = clock.move(days=1)
        lines = await verify(CONTROLS, {"A-1": [look], "A-2": [other]}, None, now=now)
        await store.system_write(lambda tx: keep(tx, lines, "schedule", whole=True, now=now, entropy=entropy))

    await run()
    holds = False
    await run()
    await run()
    found = {line.id: line for line in await store.system_read(lambda tx: tx.results.latest())}
    assert (found["A-1"].state, found["A-2"].state) == (State.FAILING, State.PROVED)
    (ran,) = found["A-1"].ran
    assert (ran.name, ran.about, ran.result, ran.evidence) == ("look", "Look at A.", Result.FAILED, "gone: 3 rows")
    changes = await store.system_read(lambda tx: tx.results.changes(10, "A-1"))
    assert [c.state for c in changes] == [State.FAILING, State.PROVED]
    assert changes[0].at == clock.now() - timedelta(days=1)
    runs = await store.system_read(lambda tx: tx.results.runs(10))
    assert [r.summary for r in runs] == [{"failing": 1, "proved": 1}] * 2 + [{"proved": 2}]
    assert await store.system_read(lambda tx: tx.results.last_run("schedule")) == clock.now()
    assert await store.system_read(lambda tx: tx.results.last_run("command")) is None


async def test_what_was_not_reached_says_nothing(store: Store, clock: MovingClock, entropy: SeededEntropy) -> None:
    """What an earlier run found of it stays with its date, no side is changed, and the run counts for the schedule."""

    async def look(_: None) -> Finding:
        return found.pop()

    found = [not_reached("late"), passed("fine")]
    for _ in range(2):
        now = clock.move(days=1)
        lines = await verify(CONTROLS[:1], {"A-1": [look]}, None, now=now)
        await store.system_write(partial(keep, lines=lines, cause="schedule", whole=True, now=now, entropy=entropy))
    (kept,) = await store.system_read(lambda tx: tx.results.latest())
    assert (kept.state, kept.at) == (State.PROVED, clock.now() - timedelta(days=1))
    assert len(await store.system_read(lambda tx: tx.results.changes(10, "A-1"))) == 1
    runs = await store.system_read(lambda tx: tx.results.runs(10))
    assert [r.summary for r in runs] == [{"not_reached": 1}, {"proved": 1}]
    assert await store.system_read(lambda tx: tx.results.last_run("schedule")) == clock.now()


def test_the_schedule_runs_after_a_start_and_then_daily() -> None:
    """Ten minutes after the start, then a day after the newest run, whoever did it."""
    start = datetime(2026, 3, 4, tzinfo=UTC)
    every, first = timedelta(days=1), timedelta(minutes=10)

    def at(last: datetime | None, **after: int) -> bool:
        return due(last, start, start + timedelta(**after), every=every, first=first)

    assert [at(None, minutes=9), at(None, minutes=10)] == [False, True]
    assert at(start - timedelta(hours=1), minutes=10)
    ran = start + timedelta(minutes=10)
    assert [at(ran, hours=24), at(ran, hours=24, minutes=10)] == [False, True]
