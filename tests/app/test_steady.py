"""When a clock is believed enough to destroy by it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailward.app.steady import Steady

T0 = datetime(2026, 3, 1, tzinfo=UTC)
YEARS = timedelta(days=1000)


@pytest.mark.parametrize(
    ("hours", "believed"),
    [
        ([0, 1, 40, 60], [True] * 4),
        ([0, 24_000, 24_001, 1], [True, False, False, True]),  # set right again
        (
            [0, 24_000, 24_001, 24_010, 24_025],
            [True, False, False, False, True],
        ),  # it stays
        ([0, 24_000, 48_000, 72_000, 72_023], [True, False, False, False, False]),  # jumps on and on
        ([0, 24_000, 23_000, 23_023], [True, False, False, False]),  # another wrong date: the day begins anew
        ([0, -5_000, -4_999, 1], [True, True, True, False]),
    ],
)
def test_a_step_ahead_is_believed_when_it_has_lasted_a_day(
    tmp_path: Path, hours: list[int], believed: list[bool]
) -> None:
    """Steps of up to two days are time passing; a greater one has to last, and every restart remembers it."""
    assert [Steady(tmp_path).believes(T0 + timedelta(hours=h)) for h in hours] == believed


def test_a_file_that_cannot_be_read_is_a_first_look(tmp_path: Path) -> None:
    """Half written by a crash it stops nothing for good."""
    (tmp_path / "clock").write_bytes(b"{")
    assert Steady(tmp_path).believes(T0)
    assert not Steady(tmp_path).believes(T0 + YEARS)
