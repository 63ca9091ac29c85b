"""Numbers of segments and names of objects."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailward.adapters.storage.objects.naming import (
    COUNTERS,
    WRITERS,
    day_folder,
    day_of_segment,
    object_name,
    segment_number,
    segment_of,
)

parts = st.tuples(st.integers(0, (1 << 16) - 1), st.integers(0, WRITERS - 1), st.integers(0, COUNTERS - 1))


@given(parts)
def test_name_and_number_follow_from_each_other(of: tuple[int, int, int]) -> None:
    """A name gives its number back, the number its day, and both fit into a signed 64-bit column."""
    segment = segment_number(*of)
    assert 0 <= segment < 1 << 63
    assert segment_of(object_name(segment)) == segment
    assert day_of_segment(segment) == of[0]
    assert object_name(segment).startswith(day_folder(of[0]))


@given(parts, parts)
def test_names_sort_as_numbers_do(a: tuple[int, int, int], b: tuple[int, int, int]) -> None:
    """A listing in order of name is in order of number, so by day."""
    first, second = segment_number(*a), segment_number(*b)
    assert (first < second) == (object_name(first) < object_name(second))


def test_an_example() -> None:
    """The form that docs and bucket rules may rely on."""
    day = (date(2026, 11, 21) - date(1970, 1, 1)).days
    assert object_name(segment_number(day, 7, 0x1ABCDEF)) == "segments/20261121/000007/1abcdef"


@pytest.mark.asvs("5.3.2")
@pytest.mark.parametrize(
    "name",
    [
        "segments/20261121/000007/1abcdef.tmp",
        "segments/20261131/000007/1abcdef",
        "segments/20261121/000007/1ABCDEF",
        "segments/20261121/000007/fffffff",
        "segments/19691231/000007/1abcdef",
        "segments/20261121/1abcdef",
        "probe/00",
    ],
)
def test_other_names_are_not_ours(name: str) -> None:
    """What only looks like a name of ours stands for no segment."""
    assert segment_of(name) is None


@pytest.mark.parametrize("of", [(1 << 16, 0, 0), (0, WRITERS, 0), (0, 0, COUNTERS), (-1, 0, 0)])
def test_parts_that_do_not_fit_are_refused(of: tuple[int, int, int]) -> None:
    """A part that would run into its neighbour is an error."""
    with pytest.raises(ValueError, match="no segment"):
        segment_number(*of)
