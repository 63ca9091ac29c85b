"""Which of the waiting items make the next transaction, and that none of them is left behind."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mailward.adapters.storage.committing import crowd
from mailward.adapters.storage.postgres.waiting import SINGLE, Group, Job, Waiting

VERB = object()


class Items:
    """Puts items of workspaces, and takes what the next transactions would be."""

    def __init__(self) -> None:
        self.waiting = Waiting()

    def put(self, workspace: bytes, verb: Any = VERB, body: bytes | None = None) -> None:
        loop = asyncio.get_running_loop()
        self.waiting.put(Job(verb, workspace, None, body, loop.create_future(), loop.time()))

    async def crowd(self, messages: int) -> None:
        """As if so many had been committed just now."""
        for _ in range(messages):
            self.put(b"a", body=b"x")
        self.waiting.done(await self.take())

    async def take(self, *, singles: bool = True) -> list[Group]:
        async with asyncio.timeout(5):
            return await self.waiting.take(singles=singles, singles_first=False)


@pytest.fixture
async def items() -> Items:
    return Items()


def workspaces(groups: list[Group]) -> list[bytes | None]:
    """Of each group."""
    return [group[0].workspace for group in groups]


async def test_an_item_whose_workspace_was_under_way_when_its_time_came_is_not_left_behind(items: Items) -> None:
    """Beside a transaction that takes long it goes as soon as the one of its own workspace is over."""
    items.put(b"long")
    await items.take()
    items.put(b"a")
    first = await items.take()
    items.put(b"a")
    items.put(b"b")
    assert workspaces(await items.take()) == [b"b"]
    items.waiting.done(first)
    assert workspaces(await items.take()) == [b"a"]


async def test_few_items_join_the_next_transaction_unless_that_lets_them_wait(items: Items) -> None:
    """While one is under way a few wait for its end; many begin another one at once."""
    items.put(b"a")
    first = await items.take()
    items.put(b"b")
    items.put(b"c")
    asked = asyncio.ensure_future(items.take())
    await asyncio.sleep(0)
    assert not asked.done()
    items.waiting.done(first)
    assert workspaces(await asked) == [b"b", b"c"]
    for n in range(64):
        items.put(b"%d" % n)
    assert len(await items.take()) == 64


async def test_a_single_connection_takes_all_in_turn(items: Items) -> None:
    """With one committer nothing waits for a second one."""
    for _ in range(3):
        items.put(b"a")
        items.put(b"a", SINGLE)
        for groups in (await items.take(), await items.take()):
            assert workspaces(groups) == [b"a"]
            items.waiting.done(groups)


async def test_what_comes_late_joins_its_group_as_far_as_there_is_room(items: Items) -> None:
    """Items of the same verb and workspace, up to the most of one transaction; nothing joins a verb that runs alone."""
    items.put(b"a")
    (group,) = await items.take()
    for _ in range(1200):
        items.put(b"a")
    items.put(b"a", object())
    items.put(b"b")
    late = items.waiting.late(group)
    assert len(late) == 1023
    assert items.waiting.late(group + late) == []
    items.waiting.done([group + late])
    assert sorted(len(g) for g in await items.take()) == [1, 1, 177]
    items.put(b"c", SINGLE)
    items.put(b"c", SINGLE)
    (alone,) = await items.take()
    assert items.waiting.late(alone) == []


async def test_at_the_end_everything_left_is_taken(items: Items) -> None:
    """Also what waits for its workspace; then there is nothing more, and no timer is left."""
    items.put(b"a")
    first = await items.take()
    items.put(b"a")
    items.waiting.end()
    asked = asyncio.ensure_future(items.take())
    await asyncio.sleep(0)
    assert not asked.done()
    items.waiting.done(first)
    rest = await asked
    assert workspaces(rest) == [b"a"]
    items.waiting.done(rest)
    assert await items.take() == []
    assert items.waiting._timer is None


async def test_in_a_crowd_a_transaction_waits_until_half_of_it_is_there(
    items: Items, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outcomes of deliveries do not count, and go with the messages."""
    monkeypatch.setattr(crowd, "MOMENT", 60.0)  # for which a large one is waited for
    await items.crowd(400)
    for _ in range(300):
        items.put(b"a")
    for _ in range(199):
        items.put(b"a", body=b"x")
    asked = asyncio.ensure_future(items.take())
    await asyncio.sleep(0)
    assert not asked.done()
    items.put(b"a", body=b"x")
    await asyncio.sleep(0)
    assert [len(g) for g in await asked] == [500]


async def test_the_crowd_is_not_waited_for_long(items: Items) -> None:
    """If nobody else comes, what is there goes by itself; a verb that runs alone never waits."""
    await items.crowd(20)
    items.put(b"b", SINGLE)
    assert [g[0].verb for g in await items.take()] == [SINGLE]
    items.put(b"a", body=b"x")
    assert [len(g) for g in await items.take()] == [1]


async def test_a_lull_ends_the_wait_for_the_rest_of_a_crowd(items: Items, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of it is there and nobody else comes: what it would wait for less than half does not matter then."""
    monkeypatch.setattr(crowd, "PATIENCE", 60.0)
    await items.crowd(20)
    for _ in range(9):
        items.put(b"a", body=b"x")
    asked = asyncio.ensure_future(items.take())
    await asyncio.sleep(2 * crowd.LULL)
    assert not asked.done()
    items.put(b"a", body=b"x")
    async with asyncio.timeout(10):
        assert [len(g) for g in await asked] == [10]


async def test_at_the_end_nothing_waits_for_a_crowd(items: Items, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left is taken at once, and no timer is left."""
    monkeypatch.setattr(crowd, "PATIENCE", 60.0)
    await items.crowd(20)
    items.put(b"a", body=b"x")
    items.waiting.end()
    (group,) = await items.take()
    items.waiting.done([group])
    assert items.waiting._rest is None
    assert await items.take() == []


async def test_messages_are_counted_on_every_way_out(items: Items) -> None:
    """Taken, joined late or refused: the crowd is measured by those that wait."""
    for _ in range(1100):
        items.put(b"a", body=b"x")
    (group,) = await items.take()
    for _ in range(3):
        items.put(b"a", body=b"x")
    assert len(items.waiting.late(group)) == 0
    assert items.waiting._messages == 79
    items.waiting.done([group])
    (rest,) = await items.take()
    items.put(b"a", body=b"x")
    assert items.waiting.late(rest) and items.waiting._messages == 0
    items.put(b"b", body=b"x")
    items.put(b"b")
    loop = asyncio.get_running_loop()
    assert items.waiting.refuse(before=loop.time() + 1, error=RuntimeError) == 2
    assert items.waiting._messages == 0
