"""When a certificate is renewed, and how long after a failure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mailward.core.certificates.model import RETRY_LONGEST, Certificate, Standing, pause, when

ISSUED = datetime(2026, 5, 1, tzinfo=UTC)
HELD = Certificate(serial="aa", names=("a.example",), issued=ISSUED, expires=ISSUED + timedelta(days=90))


def us(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)


def test_renewed_after_two_thirds_of_its_life() -> None:
    """Ninety days: after sixty, and up to four and a half earlier by chance."""
    assert when(HELD, Standing(), 0.0) == ISSUED + timedelta(days=60)
    assert when(HELD, Standing(), 1.0) == ISSUED + timedelta(days=55.5)


def test_the_authority_may_ask_for_another_time() -> None:
    """Earlier or later, but not in the last twentieth, and only for the certificate it spoke of."""
    soon, late = us(ISSUED + timedelta(days=3)), us(ISSUED + timedelta(days=89))
    assert when(HELD, Standing(renew=soon, renew_serial="aa"), 0.0) == ISSUED + timedelta(days=3)
    assert when(HELD, Standing(renew=late, renew_serial="aa"), 0.0) == ISSUED + timedelta(days=85.5)
    assert when(HELD, Standing(renew=soon, renew_serial="bb"), 0.0) == ISSUED + timedelta(days=60)


def test_pauses_grow_to_six_hours_and_differ() -> None:
    """A minute, two, four; never beyond six hours; a quarter of it is chance."""
    assert [pause(n, 0.0) for n in (1, 2, 3)] == [timedelta(minutes=m) for m in (1, 2, 4)]
    assert pause(500, 0.0) == RETRY_LONGEST
    assert pause(1, 1.0) == timedelta(seconds=45)
