"""When a commit waits for others: never alone, never long, and in a crowd until half of it is there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailward.adapters.storage.committing.crowd import CROWD, PATIENCE, Crowd


def test_a_message_that_comes_alone_waits_for_nothing() -> None:
    """Nor do those of a few senders: before any commit, and after one."""
    crowd = Crowd()
    assert crowd.rest(0, 5.0) == 0.0
    for carried in range(CROWD):
        crowd.answered(carried, 0, 5.0)
        assert crowd.rest(1, 5.0) == 0.0


def test_a_crowd_waits_until_half_of_it_is_there() -> None:
    """Known are those who were answered and those who had sent meanwhile."""
    crowd = Crowd()
    crowd.answered(12, 8, 5.0)
    assert crowd.rest(8, 5.0) == pytest.approx(PATIENCE)
    assert crowd.rest(9, 5.001) == pytest.approx(PATIENCE - 0.001)
    assert crowd.rest(10, 5.001) == 0.0


def test_the_moment_ends() -> None:
    """Counted from the end of the last commit, not from the arrival of a message."""
    crowd = Crowd()
    crowd.answered(40, 0, 5.0)
    assert crowd.rest(1, 5.0 + PATIENCE) == 0.0
    assert crowd.rest(0, 60.0) == 0.0


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
    assert not rest or later < PATIENCE
