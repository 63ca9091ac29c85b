"""The sender: bounds, fairness, and outcomes that are never forgotten."""

from __future__ import annotations

import asyncio
from typing import Any

from mailward.base.errors import Unavailable
from mailward.core.delivery.model import Copy, Settled, Work
from mailward.edges.workers.sender import Sender
from tests.core.conftest import submission

A, B = b"a" * 16, b"b" * 16


def work(n: int, workspace: bytes = A) -> Work:
    s = submission(n)
    return Work(workspace, s.id, s.created, s.facts, [Copy(0, "b@x.test", 0, None)], 0, content=b"x")


class World:
    """Attempts that wait for permission, and a store that can be away."""

    def __init__(self) -> None:
        self.order: list[bytes] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.settled: list[Any] = []
        self.away = 0
        self.stored: list[Work] = []
        self.errors: list[BaseException] = []
        self.handed: list[tuple[frozenset[bytes], float]] = []
        self.time = 1000.0
        self.without: list[frozenset[bytes]] = []

    async def attempt(self, w: Work) -> list[Settled]:
        self.order.append(w.workspace)
        await self.gate.wait()
        return []

    async def lease(self, limit: int, without: frozenset[bytes]) -> list[Work]:
        self.without.append(without)
        out, self.stored = self.stored[:limit], self.stored[limit:]
        return out

    async def hand_back(self, held: frozenset[bytes], seconds: float) -> int:
        if self.away:
            self.away -= 1
            raise Unavailable("storage_full", "later")
        self.handed.append((held, seconds))
        return 0

    async def settle(self, workspace: bytes, settled: list[Settled]) -> None:
        if self.away:
            self.away -= 1
            raise Unavailable("storage_full", "later")
        self.settled.append(workspace)

    def sender(self, **over: Any) -> Sender:
        return Sender(
            **{
                "attempts": self, "lease": self.lease, "hand_back": self.hand_back, "monotonic": lambda: self.time,
                "settle": self.settle, "concurrency": 2, "memory_messages": 10,
                "memory_bytes": 10_000, "poll_seconds": 0.01, "failed": self.errors.append,
                "finished": lambda settled: None, **over,
            }
        )  # fmt: skip


async def until(condition: Any) -> None:
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("did not happen")


async def turned() -> None:
    """The turn of the event loop in which those who handed in are answered, and the next."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def test_what_one_server_took_is_kept_while_another_is_slow() -> None:
    """Copies for several domains go out beside each other, and each one's outcome is written when it is known."""
    world = World()
    slow = asyncio.Event()
    kept: list[str] = []

    class Several:
        async def attempt(self, w: Work, beside: Any = None) -> list[Settled]:
            async def one(name: str) -> list[Settled]:
                if name == "slow":
                    await slow.wait()
                return [name]  # type: ignore[list-item]

            for name in ["slow", *(f"d{n}" for n in range(20))]:
                await beside.begin(one(name))
            await beside.over()
            return []

    async def settle(workspace: bytes, settled: list[Settled]) -> None:
        kept.extend(map(str, settled))

    sender = world.sender(attempts=Several(), settle=settle)
    both = work(1)
    both.copies.append(Copy(1, "c@y.test", 0, None))
    assert sender.reserve(A, 1)
    sender.take(both)
    await until(lambda: len(kept) == 20)
    assert sender.under_way == sender.in_memory == 1 and "slow" not in kept
    assert not sender.lasting() and sender.lasting()
    slow.set()
    await until(lambda: sender.in_memory == 0)
    assert kept[-1] == "slow" and not sender.lasting()


async def test_room_is_bounded_and_comes_back() -> None:
    """No more messages than allowed are held; each that ends makes room."""
    world = World()
    sender = world.sender()
    world.gate.clear()
    for n in range(10):
        workspace = A if n < 6 else B
        assert sender.reserve(workspace, 10)
        sender.take(work(n, workspace))
    assert not sender.reserve(A, 10)
    assert sender.under_way == 0  # who handed them in is answered first
    await turned()
    assert sender.under_way == 2
    world.gate.set()
    await until(lambda: len(world.settled) == 10)
    assert sender.reserve(A, 10)


async def test_a_crowds_messages_begin_when_its_clients_are_quiet() -> None:
    """Not while they talk; and of fewer messages each begins at once."""
    world = World()
    world.gate.clear()
    sender = world.sender(concurrency=5, talking=lambda: True)
    for n in range(3):
        assert sender.reserve(A, 10)
        sender.take(work(n))
    await turned()
    sender.hushed()
    assert sender.under_way == 0
    await asyncio.sleep(0)
    assert sender.under_way == 3
    sender.hushed()
    for n in range(2):
        assert sender.reserve(A, 10)
        sender.take(work(10 + n))
    await turned()
    assert sender.under_way == 5
    world.gate.set()
    await until(lambda: len(world.settled) == 5)


async def test_whether_clients_talk_is_asked_when_they_have_their_answers() -> None:
    """Where all of them waited for one commit nobody talks until then, and a moment later all do."""
    world = World()
    world.gate.clear()
    answered: list[int] = []
    sender = world.sender(concurrency=5, talking=lambda: bool(answered))
    for n in range(3):
        assert sender.reserve(A, 10)
        sender.take(work(n))
        asyncio.get_running_loop().call_soon(answered.append, n)  # as a session is told what became of its message
    await turned()
    await turned()
    assert sender.under_way == 0
    sender.hushed()
    world.gate.set()
    await until(lambda: len(world.settled) == 3)


async def test_a_crowd_that_goes_on_talking_delays_nothing_for_long() -> None:
    """Clients that stay connected without a word may do so for ever."""
    world = World()
    sender = world.sender(talking=lambda: True)
    for n in range(4):
        assert sender.reserve(A, 10)
        sender.take(work(n))
    await turned()
    assert sender.under_way == 0
    await until(lambda: len(world.settled) == 4)


async def test_a_drain_begins_what_waited_for_quiet() -> None:
    """It was accepted here, and nobody else would send it before its lease is over."""
    world = World()
    sender = world.sender(concurrency=10, talking=lambda: True)
    for n in range(4):
        assert sender.reserve(A, 10)
        sender.take(work(n))
    await turned()
    assert await sender.drain(5) == 0
    assert len(world.settled) == 4


async def test_work_starts_round_the_workspaces() -> None:
    """With many of one workspace waiting, another's single message is next but one."""
    world = World()
    sender = world.sender(concurrency=1)
    world.gate.clear()
    for n in range(8):
        assert sender.reserve(A, 10)
        sender.take(work(n))
    assert sender.reserve(B, 10)
    sender.take(work(100, B))
    world.gate.set()
    await until(lambda: len(world.settled) == 9)
    assert world.order.index(B) <= 2


async def take(sender: Sender, count: int, workspace: bytes, first: int = 0) -> None:
    """Hand in, and give it the turns it takes to begin."""
    for n in range(first, first + count):
        assert sender.reserve(workspace, 10)
        sender.take(work(n, workspace))
    for _ in range(4):
        await asyncio.sleep(0)


async def test_a_workspace_has_a_place_whoever_took_the_others() -> None:
    """While the servers of one keep all places busy, what another hands in begins at once; of many places a few."""
    for places, own in ((2, 1), (100, 3)):
        world = World()
        world.gate.clear()
        sender = world.sender(concurrency=places, memory_messages=1000)
        await take(sender, places + 50, A)
        assert sender.under_way == places
        await take(sender, 5, B, 500)
        assert (sender.under_way, world.order.count(B)) == (places + own, own)
        world.gate.set()
        await until(lambda: len(world.settled) == places + 55)  # noqa: B023
        await sender.drain(1)


async def test_who_waits_for_a_slow_server_takes_no_place_of_others() -> None:
    """Of the same workspace, too; but not without end, neither of one workspace nor of all."""
    world = World()
    world.gate.clear()
    sender = world.sender(concurrency=4, memory_messages=1000)
    await take(sender, 30, A)
    assert sender.under_way == 4
    world.time += 4.9
    await take(sender, 1, A, 30)
    assert sender.under_way == 4
    for under_way in (8, 10, 10):
        world.time += 5.1
        await take(sender, 1, A, 31 + under_way)
        assert sender.under_way == under_way
    for other in range(10):
        await take(sender, 20, bytes([other]) * 16, 100 + 20 * other)
        world.time += 5.1
    await take(sender, 1, A, 900)
    assert 20 <= sender.under_way <= 20 + 10
    world.gate.set()
    await until(lambda: sender.in_memory == 0)
    await sender.drain(1)


async def test_what_became_slow_makes_place_without_being_asked() -> None:
    """Nobody hands in anything, nothing ends: the next begin when the others are slow."""
    world = World()
    world.gate.clear()
    sender = world.sender(concurrency=2, monotonic=asyncio.get_running_loop().time, slow_seconds=0.05)
    await take(sender, 5, A)
    assert sender.under_way == 2
    await until(lambda: sender.under_way == 5)
    world.gate.set()
    await until(lambda: sender.in_memory == 0)
    await sender.drain(1)


async def test_a_workspace_leaves_room_in_memory() -> None:
    """Three quarters of it, in messages and in octets; more waits in the store, and is not leased beyond the half."""
    world = World()
    world.gate.clear()
    sender = world.sender(memory_messages=100, memory_bytes=10_000)
    await take(sender, 75, A)
    assert not sender.reserve(A, 10)
    assert sender.reserve(B, 10)
    sender.release(B, 10)
    assert sender.reserve(B, 7000)
    assert not sender.reserve(B, 1000)
    sender.start()
    await until(lambda: world.without)
    assert world.without[-1] == frozenset((A, B))
    sender.release(B, 7000)
    world.without.clear()
    await until(lambda: world.without)
    assert world.without[-1] == frozenset((A,))
    world.gate.set()
    await until(lambda: len(world.settled) == 75)
    world.without.clear()
    await until(lambda: world.without)
    assert world.without[-1] == frozenset()
    assert sender.reserve(A, 10)
    await sender.drain(1)


async def test_an_outcome_waits_for_the_store() -> None:
    """The store is away twice: the outcome is written at the third time, not dropped."""
    world = World()
    world.away = 2
    sender = world.sender()
    assert sender.reserve(A, 10)
    sender.take(work(1))
    await until(lambda: len(world.settled) == 1)
    assert len(world.errors) == 2


async def test_an_outcome_outlives_a_failure_that_nobody_foresaw() -> None:
    """Nobody knows what it is, so it is tried again."""
    world = World()
    failures: list[Exception] = [RuntimeError("odd"), ValueError("odd"), Unavailable("storage_full", "later")]

    async def settle(workspace: bytes, settled: list[Settled]) -> None:
        if failures:
            raise failures.pop(0)
        await world.settle(workspace, settled)

    sender = world.sender(settle=settle)
    assert sender.reserve(A, 10)
    sender.take(work(1))
    await until(lambda: len(world.settled) == 1)
    assert [type(e) for e in world.errors] == [RuntimeError, ValueError, Unavailable]


async def test_stored_work_is_leased_and_sent() -> None:
    """What waits in the store is taken without anyone asking, and drain stops that."""
    world = World()
    world.stored = [work(n) for n in range(50)]
    sender = world.sender()
    sender.start()
    await until(lambda: len(world.settled) == 50)
    world.stored = []
    assert await sender.drain(1) == 0
    assert not sender.reserve(A, 1)


async def test_what_was_just_handed_over_is_still_sent_by_a_drain() -> None:
    """A drain that begins in the same turn finishes as many as may run at once, and leaves the rest to others."""
    world = World()
    sender = world.sender()
    for n in range(3):
        assert sender.reserve(A, 10)
        sender.take(work(n))
    assert await sender.drain(1) == 1
    assert len(world.settled) == 2


async def test_what_was_leased_without_an_answer_goes_back() -> None:
    """After a doubt, once a commit must be over, what is here is kept and the rest handed back; until that works."""
    world = World()
    sender = world.sender()
    world.gate.clear()
    assert sender.reserve(A, 10)
    sender.take(work(7))
    sender.doubtful()
    sender.start()
    world.time += 59
    await asyncio.sleep(0.05)
    assert world.handed == []
    world.away = 2
    world.time += 2
    await until(lambda: world.handed)
    assert world.handed == [(frozenset([work(7).id]), 60.0)]
    assert len(world.errors) == 2
    await asyncio.sleep(0.05)
    assert len(world.handed) == 1
    world.gate.set()
    await until(lambda: len(world.settled) == 1)
    sender.doubtful()
    world.time += 61
    await until(lambda: len(world.handed) == 2)
    assert world.handed[1][0] == frozenset()
    await sender.drain(1)


async def test_a_lease_whose_answer_is_lost_is_doubted() -> None:
    """The store says it is away, and nobody knows whether it leased something first."""
    world = World()
    failing = 1

    async def lease(limit: int, without: frozenset[bytes]) -> list[Work]:
        nonlocal failing
        if failing:
            failing -= 1
            raise Unavailable("storage_unavailable", "later")
        return []

    sender = world.sender(lease=lease)
    sender.start()
    await until(lambda: world.errors)
    world.time += 61
    await until(lambda: world.handed)
    await sender.drain(1)
