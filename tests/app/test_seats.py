"""Connections at once over two machines: one limit, few questions, and never open while the store is away."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest

from mailward.app.arrivals import Seats
from mailward.app.seats import SharedSeats
from mailward.base.errors import Unavailable
from mailward.core.nodes.model import SeatWish
from mailward.policy.seats import block_of, pool_of, share_of
from tests.conftest import MovingClock

pytestmark = pytest.mark.claim("RATE-1")

MOST = 64


class Machine(Seats):
    """One machine's table."""

    def __init__(self) -> None:
        self.open: Counter[str] = Counter()

    def take(self, key: str, most: int) -> bool:
        room = self.open[key] < most
        self.open[key] += room
        return room

    def leave(self, key: str) -> None:
        self.open[key] -= 1


class Bank:
    """The store's part for machines that are alive."""

    def __init__(self) -> None:
        self.held: dict[int, dict[str, int]] = {}
        self.asked = 0
        self.away = False
        self.nodes = 2

    async def seat(self, worker: int, wishes: Sequence[SeatWish]) -> list[int]:
        await asyncio.sleep(0)
        self.asked += 1
        if self.away:
            raise Unavailable("storage_unavailable", "Try again.")
        out = []
        for w in wishes:
            others = sum(held.get(w.key, 0) for number, held in self.held.items() if number != worker)
            out.append(max(0, min(w.want, pool_of(w.most, self.nodes) - others)))
            self.held.setdefault(worker, {})[w.key] = out[-1]
        return out


class World:
    """Two machines of one worker each."""

    def __init__(self, clock: MovingClock) -> None:
        self.bank, self.machines, self.clock = Bank(), (Machine(), Machine()), clock
        self.workers = [self._worker(n) for n in range(2)]

    def _worker(self, n: int) -> SharedSeats:
        async def draw(wishes: Sequence[SeatWish]) -> list[int]:
            return await self.bank.seat(n, wishes)

        return SharedSeats(draw, self.machines[n], lambda: self.bank.nodes, self.clock.monotonic, b"k")

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def open(self, worker: int, tries: int) -> int:
        """How many of so many connections are let in, with the loop running in between."""
        got = 0
        for _ in range(tries):
            got += self.workers[worker].take("a", MOST)
            await self.settle()
        return got

    async def close(self, worker: int, count: int) -> None:
        for _ in range(count):
            self.workers[worker].leave("a")
            await self.settle()


@pytest.fixture
def world(clock: MovingClock) -> World:
    return World(clock)


@pytest.mark.parametrize("nodes", [1, 2, 3, 7, 40])
@pytest.mark.parametrize("most", [1, 5, 64, 200])
def test_shares_and_pool_make_the_limit(most: int, nodes: int) -> None:
    """However many nodes there are, what is parted and what is drawn is the limit, or one for each node."""
    assert nodes * share_of(most, nodes) + pool_of(most, nodes) == max(most, nodes)


async def test_one_machine_may_have_most_of_the_limit_and_two_have_it_together(world: World) -> None:
    """One alone goes beyond its share by drawing; the other then finds its share and what is left, to a block each."""
    first = await world.open(0, MOST)
    assert MOST * 3 // 4 <= first <= MOST * 3 // 4 + block_of(MOST)
    second = await world.open(1, MOST)
    assert MOST <= first + second <= MOST + 2 * block_of(MOST)


async def test_a_share_costs_no_question(world: World) -> None:
    """Connections within the share come and go without a word to the store; beyond it a question serves a block."""
    assert await world.open(0, share_of(MOST, 2)) == share_of(MOST, 2)
    await world.close(0, share_of(MOST, 2))
    assert world.bank.asked == 0
    assert await world.open(0, 40) == 40
    assert 0 < world.bank.asked <= 24 // block_of(MOST) * 2


async def test_whoever_leaves_makes_room_on_the_other_machine(world: World) -> None:
    """What was drawn and is used no more is given back, all of it in the end."""
    await world.open(0, MOST)
    assert await world.open(1, MOST) <= share_of(MOST, 2) + block_of(MOST)
    await world.close(0, MOST // 2)
    world.clock.move(seconds=2)
    assert await world.open(1, MOST) >= MOST // 4
    await world.close(0, world.machines[0].open["a"])
    assert not world.machines[0].open["a"]
    assert not any(world.bank.held[0].values())


async def test_nothing_opens_while_the_store_is_away(world: World) -> None:
    """A machine goes on with its share and a block, and draws again when the store is back."""
    world.bank.away = True
    assert await world.open(0, MOST) <= share_of(MOST, 2) + block_of(MOST)
    assert await world.open(0, MOST) == 0


async def test_a_burst_is_let_in_up_to_a_block(world: World) -> None:
    """Before the store has answered no more than the share and a block are let in, and nobody waits."""
    got = sum(world.workers[0].take("a", MOST) for _ in range(MOST))
    assert got == share_of(MOST, 2) + block_of(MOST)
    await world.settle()
    assert await world.open(0, 1) == 1


async def test_one_machine_counts_for_itself(world: World) -> None:
    """Alone, a machine's own table is all there is."""
    world.bank.nodes = 1
    assert await world.open(0, 2 * MOST) == MOST
    assert world.bank.asked == 0
