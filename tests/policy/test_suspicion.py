"""Each signal weighs what it should, says why, and a browser of the owner's is never held."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mailward.policy.suspicion import Facts, Level, Visit, assess, distance_km

NOW = datetime(2026, 3, 4, 14, 0, tzinfo=UTC)
VIENNA, SYDNEY, GRAZ = (48.2, 16.4), (-33.9, 151.2), (47.1, 15.4)
DAILY = [Visit(NOW - timedelta(days=n + 1), b"mine", "AS1", VIENNA) for n in range(30)]
USUAL = Facts(NOW, True, "AS1", DAILY, VIENNA)
SIGNALS = {
    "failures": (replace(USUAL, failures=12), "12 wrong passwords"),
    "many accounts": (replace(USUAL, accounts=9), "9 accounts"),
    "anonymiser": (replace(USUAL, anonymiser=True), "hides where people are"),
    "travel": (replace(USUAL, position=SYDNEY, history=[Visit(NOW - timedelta(hours=2), b"mine", "AS1", VIENNA)]),
               "km from where the account was used 2 h before"),
    "network": (replace(USUAL, network="AS2"), "not used from this network"),
    "hour": (replace(USUAL, now=NOW.replace(hour=3) + timedelta(days=1)), "03:00 UTC"),
}  # fmt: skip


def test_the_usual_is_not_suspicious() -> None:
    """A known browser, network, place and hour give no reason; nor does somebody's first sign-in ever."""
    assert assess(USUAL).level is Level.NONE and assess(USUAL).reasons == ()
    assert assess(Facts(NOW, False, "AS9")).level is Level.NONE


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_on_another_browser_is_held(name: str) -> None:
    """Each signal, on a browser that the owner never used, holds the sign-in and is named in a sentence."""
    facts, words = SIGNALS[name]
    found = assess(replace(facts, known_device=False))
    assert found.level is Level.HIGH
    assert any(words in reason for reason in found.reasons)
    assert any("browser" in reason for reason in found.reasons)


@pytest.mark.parametrize("name", SIGNALS)
def test_a_confirmed_browser_is_told_and_never_held(name: str) -> None:
    """The same signals on the owner's own browser are LOW: nobody keeps the owner out by guessing."""
    facts, words = SIGNALS[name]
    found = assess(facts)
    assert found.level is Level.LOW
    assert any(words in reason for reason in found.reasons)


def test_another_browser_alone_asks_for_more() -> None:
    """A new browser in the usual network at the usual hour is MEDIUM, and LOW at an address of the owner's."""
    assert assess(replace(USUAL, known_device=False)).level is Level.MEDIUM
    assert assess(replace(USUAL, known_device=False, known_address=True)).level is Level.LOW


def test_a_journey_that_can_be_made_is_none() -> None:
    """Graz an hour after Vienna is a car ride or a wrong database; Sydney a day later is a flight."""
    for position, hours in ((GRAZ, 1), (SYDNEY, 20)):
        history = [Visit(NOW - timedelta(hours=hours), b"mine", "AS1", VIENNA)]
        assert assess(replace(USUAL, history=history, position=position)).reasons == ()


def test_distances_follow_the_great_circle() -> None:
    """Known distances come out within half a percent, across the date line too."""
    assert distance_km(VIENNA, SYDNEY) == pytest.approx(15_980, rel=0.005)
    assert distance_km((0.0, 179.0), (0.0, -179.0)) == pytest.approx(222.4, rel=0.005)
