"""When a commit waits for others: never alone, never long, and for all of a crowd only where it keeps step."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailward.adapters.storage.committing.crowd import (
    CROWD,
    LONGEST,
    LULL,
    MOMENT,
    PATIENCE,
    SMALL,
    TRIED_AGAIN,
    Crowd,
)


def test_a_message_that_comes_alone_waits_for_nothing() -> None:
    """Nor do those of a few senders: before any commit, and after one."""
    crowd = Crowd()
    assert crowd.rest(0, 5.0) == 0.0
    for carried in range(CROWD):
        crowd.answered(carried, 0, 5.0)
        assert crowd.rest(1, 5.0) == 0.0


def test_a_small_crowd_in_step_is_waited_for_whole() -> None:
    """Known are those who were answered and those who had sent meanwhile."""
    crowd = Crowd()
    crowd.answered(12, 8, 5.0)
    assert crowd.rest(8, 5.0) == pytest.approx(PATIENCE)
    assert crowd.rest(9, 5.001) == pytest.approx(PATIENCE - 0.001)
    assert crowd.rest(19, 5.009) == pytest.approx(LULL)
    assert crowd.rest(20, 5.009) == 0.0


def test_of_a_large_crowd_half_is_enough() -> None:
    """And of one between the two as many as a small one has."""
    crowd = Crowd()
    crowd.answered(60, 30, 5.0)
    assert crowd.rest(44, 5.0) == pytest.approx(MOMENT)
    assert crowd.rest(45, 5.0) == 0.0
    crowd = Crowd()
    crowd.answered(30, 0, 5.0)
    assert crowd.rest(SMALL - 1, 5.0) > 0.0
    assert crowd.rest(SMALL, 5.0) == 0.0


def test_once_half_is_there_a_lull_ends_the_waiting() -> None:
    """Each who comes is followed by as long a wait for the next one, until the longest is over."""
    crowd = Crowd()
    crowd.answered(20, 0, 5.0)
    assert crowd.rest(10, 5.004) == pytest.approx(LULL)
    assert crowd.rest(10, 5.005) == pytest.approx(LULL - 0.001)
    assert crowd.rest(11, 5.0055) == pytest.approx(LULL)
    assert crowd.rest(11, 5.0055 + LULL) == 0.0
    crowd = Crowd()
    crowd.answered(20, 0, 5.0)
    now = 5.0
    for waiting in range(10, 20):
        now += LULL
        rest = crowd.rest(waiting, now)
    assert rest == pytest.approx(0.0)
    assert now == pytest.approx(5.0 + LONGEST)


def test_the_moment_ends() -> None:
    """Counted from the end of the last commit, not from the arrival of a message."""
    crowd = Crowd()
    crowd.answered(40, 0, 5.0)
    assert crowd.rest(1, 5.0 + MOMENT) > 0.0
    assert crowd.rest(1, 5.0 + PATIENCE) == 0.0
    assert crowd.rest(0, 60.0) == 0.0


def test_a_crowd_out_of_step_is_not_waited_for_whole() -> None:
    """Two commits without half of it say so, or several without all; then half and a short moment do."""
    for carried, times in ((9, 2), (15, 4)):
        crowd = Crowd()
        crowd.answered(20, 0, 5.0)
        for _ in range(times):
            assert crowd.rest(10, 5.0) > 0.0
            crowd.answered(carried, 20 - carried, 5.0)
        assert crowd.rest(9, 5.0) == pytest.approx(MOMENT)
        assert crowd.rest(10, 5.0) == 0.0


def test_whether_it_is_in_step_is_tried_again() -> None:
    """After some commits, and after twice as many when that was in vain."""
    crowd = Crowd()
    crowd.answered(20, 0, 5.0)
    spans = []
    for _ in range(3):
        crowd.answered(1, 19, 5.0)
        crowd.answered(1, 19, 5.0)
        span = 1
        while crowd.rest(10, 5.0) == 0.0:
            crowd.answered(10, 10, 5.0)
            span += 1
        spans.append(span)
    assert spans == [TRIED_AGAIN + 1, 2 * TRIED_AGAIN + 1, 4 * TRIED_AGAIN + 1]


def test_a_crowd_in_step_may_miss_one_now_and_then() -> None:
    """A commit with all of it makes good for a part of one without."""
    crowd = Crowd()
    crowd.answered(20, 0, 5.0)
    for _ in range(50):
        crowd.answered(19, 1, 5.0)
        assert crowd.rest(19, 5.0) > 0.0
        crowd.answered(20, 0, 5.0)
        crowd.answered(20, 0, 5.0)
    assert crowd.rest(19, 5.0) > 0.0
    for _ in range(50):
        crowd.answered(1, 19, 5.0)  # a pause of somebody's, of a process or of the disk
        assert crowd.rest(19, 5.0) > 0.0
        for _ in range(6):
            crowd.answered(20, 0, 5.0)
    assert crowd.rest(19, 5.0) > 0.0


def test_a_crowd_that_left_is_forgotten() -> None:
    """Not at once, as commits of one crowd differ; but soon."""
    crowd = Crowd()
    crowd.answered(90, 0, 5.0)
    crowd.answered(10, 0, 5.01)
    assert crowd.rest(20, 5.01) > 0.0
    for _ in range(30):
        crowd.answered(1, 0, 5.02)
    assert crowd.rest(1, 5.02) == 0.0


@given(
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500), st.floats(0, 1)), max_size=20),
    st.integers(0, 1000),
    st.floats(0, 30),
)
def test_nobody_waits_longer_than_the_moment(commits: list[tuple[int, int, float]], waiting: int, later: float) -> None:
    """Whatever happened before."""
    crowd = Crowd()
    now = 0.0
    for carried, arrived, pause in commits:
        now += pause
        crowd.answered(carried, arrived, now)
    rest = crowd.rest(waiting, now + later)
    assert 0.0 <= rest <= PATIENCE + 1e-9  # what adding and taking away of seconds leaves
    assert not rest or later < LONGEST
