"""Errors keep what they say wherever they travel."""

from __future__ import annotations

import pickle

import pytest

from mailward.base.errors import Invalid, LimitReached, MailwardError, Unavailable


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("full", "Try again.", detail="disk"),
        Invalid("bad", "It is wrong.", field="to"),
        LimitReached("slow", "Later.", retry_after=2.5),
    ],
)
def test_an_error_survives_the_way_between_processes(error: MailwardError) -> None:
    """Type, code, both texts and what the kind adds are the same at the other end."""
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert again.__dict__ == error.__dict__
    assert str(again) == str(error)
