"""Who gave signs of going on and then none is told from who still starts, died, or was stopped with everybody."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from mailward.app.committer import beating
from mailward.app.settings import SettingsError, load
from mailward.app.watchdog import Sign, Watchdog


@pytest.fixture
def watchdog() -> Iterator[Watchdog]:
    made = Watchdog(60)
    yield made
    made.close()


def looks(watchdog: Watchdog, place: int, pid: int, start: float, end: float) -> list[float]:
    """At which seconds between two it is called hung, asked once a second."""
    found = []
    now = start
    while now <= end:
        watchdog.look(now)
        if watchdog.hung(place, pid, now):
            found.append(now)
        now += 1.0
    return found


def test_silence_after_a_sign_is_noticed_once_and_again_after_as_long(watchdog: Watchdog) -> None:
    """Places do not meet: what the neighbour does is no sign."""
    sign, neighbour = Sign(watchdog.fd, 3), Sign(watchdog.fd, 4)
    assert looks(watchdog, 3, 100, 0, 5) == []
    sign.beat()
    assert looks(watchdog, 3, 100, 6, 60) == []
    neighbour.beat()
    assert looks(watchdog, 3, 100, 61, 200) == [67, 128, 189]


def test_who_goes_on_is_never_hung(watchdog: Watchdog) -> None:
    """A sign a minute is enough."""
    sign = Sign(watchdog.fd, 1)
    for minute in range(10):
        sign.beat()
        assert looks(watchdog, 1, 100, minute * 59, minute * 59 + 58) == []


def test_who_still_starts_is_not_judged(watchdog: Watchdog) -> None:
    """It may have to wait for a database; and the successor in a place is not judged by its predecessor's signs."""
    assert looks(watchdog, 1, 100, 0, 300) == []
    assert not watchdog.goes_on(1, 100)
    Sign(watchdog.fd, 1).beat()
    assert looks(watchdog, 1, 100, 301, 302) == []
    assert watchdog.goes_on(1, 100)
    assert looks(watchdog, 1, 101, 303, 600) == []
    assert not watchdog.goes_on(1, 101)


def test_a_pause_of_the_whole_machine_is_nobodys_silence(watchdog: Watchdog) -> None:
    """A supervisor that did not run for an hour gives everybody as long as ever."""
    sign = Sign(watchdog.fd, 1)
    looks(watchdog, 1, 100, 0, 1)
    sign.beat()
    assert looks(watchdog, 1, 100, 2, 30) == []
    assert looks(watchdog, 1, 100, 3600, 3660) == []
    sign.beat()
    assert looks(watchdog, 1, 100, 3661, 3720) == []


def test_nought_watches_nobody() -> None:
    watchdog = Watchdog(0)
    looks(watchdog, 1, 100, 0, 1)
    Sign(watchdog.fd, 1).beat()
    assert looks(watchdog, 1, 100, 2, 500) == []
    watchdog.close()


async def test_a_loop_that_turns_gives_signs(watchdog: Watchdog, monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself, as long as it turns."""
    monkeypatch.setattr("mailward.app.watchdog.BEAT_SECONDS", 0.0)
    beats = 0

    class Counting(Sign):
        def beat(self) -> None:
            nonlocal beats
            beats += 1
            super().beat()

    Counting(watchdog.fd, 1).keep(asyncio.get_running_loop())
    for _ in range(50):
        await asyncio.sleep(0)
    assert beats > 10


def test_the_committing_process_gives_one_whenever_it_asks_whether_to_stop(watchdog: Watchdog) -> None:
    """Which it does between two commits."""
    asked = beating(Sign(watchdog.fd, 0), lambda: True)
    looks(watchdog, 0, 100, 0, 0)
    assert asked()
    assert looks(watchdog, 0, 100, 1, 70) == [62]


@pytest.mark.parametrize("seconds", ["-1", "1"])
def test_a_time_that_everybody_would_exceed_is_refused(seconds: str) -> None:
    with pytest.raises(SettingsError, match="hung_seconds"):
        load(None, {"MAILWARD_SERVER__HUNG_SECONDS": seconds})
