"""The retry schedule and the pace of a destination."""

from __future__ import annotations

import pytest

from mailward.base.outcome import PermFail, TempFail
from mailward.policy.retry import DAY, DeadHosts, DestinationState, Schedule, next_wait

FAIL = TempFail("deferred")


def test_default_steps() -> None:
    """1, 5, 15, 30 minutes, 1, 2, 4 hours and so on, until five days have passed."""
    waits = [next_wait(Schedule(), n, 0, FAIL, 0.5) for n in range(1, 10)]
    assert waits == [60, 300, 900, 1800, 3600, 7200, 14400, 14400, 14400]
    assert next_wait(Schedule(), 40, 5 * DAY, FAIL, 0.5) is None
    assert next_wait(Schedule(), 40, 5 * DAY - 100, FAIL, 0.5) == 100


@pytest.mark.parametrize("jitter", [0.0, 0.3, 0.999])
def test_jitter_spreads(jitter: float) -> None:
    """Jitter moves a wait by at most a fifth."""
    wait = next_wait(Schedule(), 2, 0, FAIL, jitter)
    assert wait is not None and 240 <= wait <= 360


def test_asked_wait_is_kept() -> None:
    """A wait the server named is never undercut; a greylist's is used as said."""
    assert next_wait(Schedule(), 1, 0, TempFail("rate_limited", retry_after=1200), 0.0) == 1200
    assert next_wait(Schedule(), 3, 0, TempFail("greylisted", retry_after=30), 0.0) == 30
    assert next_wait(Schedule(), 1, 0, TempFail("greylisted"), 0.5) == 120


def test_who_was_left_out_waits_little_and_then_from_the_first_step_on() -> None:
    """Five quick tries at a server that took nobody, then the schedule from its beginning."""
    crowd = TempFail("too_many_recipients")
    waits = [next_wait(Schedule(), n, 0, crowd, 0.5) for n in range(1, 9)]
    assert waits == [5, 5, 5, 5, 5, 60, 300, 900]


def test_pace_shrinks_and_grows() -> None:
    """A complaint halves the connections and pauses; deliveries raise them one by one."""
    state = DestinationState(start=20, cap=30)
    state.failed(TempFail("rate_limited"), 100.0)
    assert state.connections() == 10
    assert state.wait(100.0) == 10.0
    state.failed(TempFail("rate_limited"), 100.5)
    assert state.connections() == 10, "complaints about one burst count once"
    state.failed(TempFail("rate_limited", retry_after=300), 120.0)
    assert state.wait(120.0) == 300
    for _ in range(10_000):
        state.delivered(2000.0)
    assert state.connections() == 30
    assert state.wait(2000.0) == 0
    assert state.rate == 0


def test_refusals_of_recipients_do_not_slow() -> None:
    """An unknown user says nothing about the pace."""
    state = DestinationState()
    state.failed(PermFail("bad_mailbox"), 1.0)
    state.failed(TempFail("greylisted"), 1.0)
    assert (state.connections(), state.wait(1.0)) == (20, 0.0)


@pytest.mark.parametrize("reason", ["rate_limited", "server_busy", "blocklisted"])
def test_a_code_of_an_address_does_not_slow(reason: str) -> None:
    """What a reply with a status of an address or mailbox (x.1.x, x.2.x) says, it says of that one only."""
    for enhanced, slows in (("4.2.1", False), ("4.1.8", False), ("4.7.1", True), ("4.3.2", True), ("", True)):
        state = DestinationState()
        state.failed(TempFail(reason, "", 450, enhanced), 100.0)
        assert (state.connections() < 20) is slows


def test_dead_hosts() -> None:
    """A host that does not answer is left alone, longer each time, until it answers."""
    dead = DeadHosts(first=10, longest=30)
    for at, wait in ((0.0, 10.0), (20.0, 20.0), (50.0, 30.0), (90.0, 30.0)):
        dead.failed("a", at)
        assert dead.remaining("a", at) == wait
    dead.answered("a")
    assert dead.remaining("a", 91.0) == 0
