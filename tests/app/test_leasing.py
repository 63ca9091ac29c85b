"""Leases when the clock is set: nothing goes out twice, nothing is forgotten."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.app.leasing import LEASE_US, Leasing
from mailward.core.delivery.lease import clear_idle_slots
from tests.conftest import MovingClock
from tests.core.conftest import put, submission


class SettableClock(MovingClock):
    """A clock that an operator can set: the wall jumps, the monotonic reading does not."""

    def set(self, **kw: float) -> None:
        self._now += timedelta(**kw)


@pytest.fixture
def wall(clock: MovingClock) -> SettableClock:
    return SettableClock(clock.now())


async def queue_messages(store: SqliteStore, wall: SettableClock, count: int) -> None:
    """Messages accepted now, due now."""
    now = int(wall.now().timestamp() * 1e6)
    for n in range(count):
        await put(store, submission(n + 1, created=now))


async def generation(store: SqliteStore, slot: int, wall: SettableClock) -> int:
    now = int(wall.now().timestamp() * 1e6)
    return (await store.system_write(lambda tx: tx.deliveries.take_slot(slot, now)))[0]


async def test_a_clock_set_ahead_does_not_send_twice(store: SqliteStore, wall: SettableClock) -> None:
    """A day ahead while two workers hold leases: each renews its own, neither takes the other's, new work flows."""
    await queue_messages(store, wall, 6)
    one = Leasing(store, wall, await generation(store, 0, wall))
    two = Leasing(store, wall, await generation(store, 1, wall))
    mine, theirs = await one.lease(3), await two.lease(3)
    assert len(mine) == len(theirs) == 3
    wall.set(days=1)
    # Whoever looks first takes nothing, although the other's leases all seem to have run out.
    assert await one.lease(10) == []
    assert await two.look_at_clock()
    assert not await two.look_at_clock()
    assert one.time_left(mine[0])
    assert two.time_left(theirs[0])
    wall.move(seconds=6)
    assert await one.lease(10) == []
    assert await two.lease(10) == []
    await queue_messages(store, wall, 1)
    fresh = await one.lease(10)
    assert len(fresh) == 1
    assert one.time_left(fresh[0])
    # And leases still end: a worker that hangs loses its work to another in the end.
    wall.move(seconds=LEASE_US / 1e6 + 1)
    assert len(await two.lease(10)) == 7


async def test_a_clock_set_back_loses_nothing(store: SqliteStore, wall: SettableClock) -> None:
    """An hour back: what was due waits at most that hour, what is accepted afterwards goes at once."""
    await queue_messages(store, wall, 2)
    one = Leasing(store, wall, await generation(store, 0, wall))
    wall.set(hours=-1)
    assert await one.lease(10) == []
    wall.move(seconds=6)
    await queue_messages(store, wall, 1)
    assert len(await one.lease(10)) == 1
    wall.move(hours=1)
    assert len(await one.lease(10)) == 3, "the two that waited, and the lease of the third, which ran out"


async def test_slewing_is_no_jump(store: SqliteStore, wall: SettableClock) -> None:
    """A time service that moves the clock a little at a time, for long, disturbs nothing."""
    one = Leasing(store, wall, await generation(store, 0, wall))
    for _ in range(100):
        wall.set(seconds=1)
        assert not await one.look_at_clock()


async def test_work_that_waited_too_long_is_not_begun(store: SqliteStore, wall: SettableClock) -> None:
    """Half of its lease gone in memory: another worker may have it before an attempt would end."""
    await queue_messages(store, wall, 1)
    one = Leasing(store, wall, await generation(store, 0, wall))
    work = (await one.lease(1))[0]
    wall.move(minutes=9)
    assert one.time_left(work)
    wall.move(minutes=2)
    assert not one.time_left(work)


async def test_an_attempt_that_takes_long_keeps_its_lease(store: SqliteStore, wall: SettableClock) -> None:
    """Renewed every few minutes, so that nobody else sends it; what it left alone is free a lease later."""
    await queue_messages(store, wall, 2)
    one = Leasing(store, wall, await generation(store, 0, wall))
    two = Leasing(store, wall, await generation(store, 1, wall))
    (work, _) = await one.lease(2)
    for _ in range(10):
        wall.move(minutes=4)
        assert await one.keep() == 2
        assert one.time_left(work)
        assert await two.lease(10) == []
    wall.move(seconds=LEASE_US / 1e6 + 1)
    assert len(await two.lease(10)) == 2


async def test_what_dead_workers_held_is_due_at_once(store: SqliteStore, wall: SettableClock) -> None:
    """Roles were laid out anew: leases of numbers nobody uses come back, those of living workers stay."""
    await queue_messages(store, wall, 4)
    gone = Leasing(store, wall, await generation(store, 5, wall))
    alive = Leasing(store, wall, await generation(store, 200, wall))
    assert len(await gone.lease(2)) == 2
    assert len(await alive.lease(2)) == 2
    now = int(wall.now().timestamp() * 1e6)
    assert await store.system_write(lambda tx: clear_idle_slots(tx, lambda slot: slot < 100, now=now)) == 2
    assert await store.system_read(lambda tx: tx.deliveries.slots()) == [200]
    assert len(await alive.lease(10)) == 2
