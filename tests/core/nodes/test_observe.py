"""Who counts as dead, and who may still begin something."""

from __future__ import annotations

import pytest

from mailward.core.nodes.model import BEAT_SECONDS, DEAD_SECONDS, FENCE_SECONDS, Answer, Beat
from mailward.core.nodes.observe import Observer
from mailward.core.nodes.pulse import Pulse

pytestmark = pytest.mark.claim("AVAIL-1")


def watch(observer: Observer, start: float, seconds: float, beat: Beat) -> tuple[float, list[Beat]]:
    """Look every two seconds at one beat that stands still, until it is called dead or the time is over."""
    now = start
    while now <= start + seconds:
        if dead := observer.look([beat], now):
            return now - start, dead
        now += BEAT_SECONDS
    return now - start, []


def test_silence_that_was_watched_to_the_end_is_death() -> None:
    """A beat that stands still for the whole time is dead, and not sooner."""
    after, dead = watch(Observer(), 100.0, 60.0, Beat(1, 5, 111))
    assert dead == [Beat(1, 5, 111)]
    assert DEAD_SECONDS <= after <= DEAD_SECONDS + BEAT_SECONDS


def test_whoever_beats_lives_however_wrong_its_clock() -> None:
    """Any change of the beat counts, forwards or backwards."""
    observer = Observer()
    for n in range(60):
        assert observer.look([Beat(1, 5, 1_000_000 * (-1) ** n)], 2.0 * n) == []


def test_after_the_store_was_away_everybody_starts_anew() -> None:
    """Nobody could beat during a promotion: the observer's own gap resets what it believed."""
    observer = Observer()
    watch(observer, 0.0, DEAD_SECONDS - 3, Beat(1, 5, 111))
    after, dead = watch(observer, 60.0, 60.0, Beat(1, 5, 111))
    assert dead
    assert after >= DEAD_SECONDS


def test_a_new_generation_of_a_worker_has_its_own_time() -> None:
    """The one before it was dead; it is not."""
    observer = Observer()
    watch(observer, 0.0, DEAD_SECONDS - 1, Beat(1, 5, 111))
    assert observer.look([Beat(1, 6, 111)], DEAD_SECONDS + 1) == []


def test_a_worker_stops_beginning_long_before_others_take_over() -> None:
    """Counted from the begin of the last beat that reached the store; a late answer does not lengthen it."""
    pulse = Pulse(0.0)
    assert pulse.fresh(FENCE_SECONDS - 1)
    assert not pulse.fresh(FENCE_SECONDS)
    pulse.beaten(8.0, Answer(False, True))
    pulse.beaten(4.0, Answer(False, True))
    assert pulse.fresh(17.9)
    assert not pulse.fresh(18.0)
    assert 2 * FENCE_SECONDS <= DEAD_SECONDS
    pulse.beaten(20.0, Answer(True, False))
    assert pulse.resting
    pulse.lost = True
    assert not pulse.fresh(20.0)
    assert Pulse(0.0, alone=True).fresh(1e9)
