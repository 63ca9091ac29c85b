"""Who goes on beyond a limit is refused late; who keeps to it never notices."""

from __future__ import annotations

import asyncio

import pytest

from mailward.app.tarpit import AT_ONCE, PLACES, Tarpit
from tests.conftest import MovingClock, SeededEntropy

pytestmark = pytest.mark.claim("RATE-1")


async def test_after_a_few_refusals_a_second_they_are_held(clock: MovingClock) -> None:
    """The first ones of a second are told at once, to each tenant; the next second begins anew."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    tarpit = Tarpit(0.5, clock.monotonic, SeededEntropy(1), sleep=sleep)
    for _ in range(AT_ONCE + 2):
        await tarpit.hold("ws_a")
    await tarpit.hold("ws_b")
    assert len(slept) == 2 and all(0.5 <= s < 1.0 for s in slept) and slept[0] != slept[1]
    clock.move(seconds=1)
    await tarpit.hold("ws_a")
    assert len(slept) == 2


async def test_only_so_many_are_held(clock: MovingClock) -> None:
    """Beyond its places answers are given at once, and a place is given back by whoever leaves."""
    over = asyncio.Event()

    async def sleep(seconds: float) -> None:
        await over.wait()

    tarpit = Tarpit(0.5, clock.monotonic, SeededEntropy(1), sleep=sleep)
    waiting = [asyncio.create_task(tarpit.hold("ws_a")) for _ in range(AT_ONCE + PLACES + 3)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert sum(not t.done() for t in waiting) == PLACES
    next(t for t in waiting if not t.done()).cancel()
    await asyncio.sleep(0)
    again = asyncio.create_task(tarpit.hold("ws_a"))
    await asyncio.sleep(0)
    assert not again.done()
    over.set()
    await asyncio.gather(again, *waiting, return_exceptions=True)


async def test_it_can_be_turned_off(clock: MovingClock) -> None:
    """0 milliseconds hold nobody."""

    async def sleep(seconds: float) -> None:
        raise AssertionError("held")

    tarpit = Tarpit(0, clock.monotonic, SeededEntropy(1), sleep=sleep)
    for _ in range(100):
        await tarpit.hold("ws_a")
