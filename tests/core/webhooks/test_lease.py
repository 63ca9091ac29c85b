"""Who gets the places of a worker when some endpoints hang."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from mailward.base import ids
from mailward.core.webhooks import endpoints, settle
from mailward.core.webhooks.enqueue import tell
from mailward.core.webhooks.lease import AT_ONCE, EACH, SLOW, TENANT, lease
from mailward.core.webhooks.model import Result, Work
from mailward.policy.access import Actor, Permission


class World:
    """Workspaces with crowds of events for their endpoints."""

    def __init__(self, store: Any, clock: Any, entropy: Any) -> None:
        self.store, self.clock, self.entropy = store, clock, entropy

    def us(self) -> int:
        return int(self.clock.now().timestamp() * 1e6)

    async def crowd(self, n: int, *, hooks: int, events: int = 20) -> bytes:
        """Workspace number n with so many endpoints and events for each of them."""
        raw = bytes([n]) * 16
        name = ids.WorkspaceId(ids.encode("ws", raw))
        actor = Actor(name, "key", "key_1", frozenset(Permission))

        async def made(tx: Any) -> None:
            for i in range(hooks):
                url = f"https://h{i}.example/"
                await endpoints.create(tx, actor, url, seal=bytes, now=self.clock.now(), entropy=self.entropy)
            await tell(tx, [("message.delivered", str(i), self.us(), {}) for i in range(events)])

        await self.store.write(name, made)
        return raw

    async def lease(self, busy: list[Work] | None = None, turn: int = 0) -> list[Work]:
        busy = busy or []
        hooks, tenants = Counter(w.webhook for w in busy), Counter(w.workspace for w in busy)
        slow = sum(w.slow for w in busy)
        found: list[Work] = await self.store.system_write(
            lambda tx: lease(
                tx, now=self.us(), turn=turn, limit=AT_ONCE - len(busy), busy=hooks, tenants=tenants, slow=slow
            )
        )
        return found

    async def fail(self, works: list[Work]) -> None:
        """None of these was answered."""
        by: dict[bytes, list[Result]] = {}
        for w in works:
            by.setdefault(w.workspace, []).append(Result(w, 0, b"", 15_000, error="The endpoint did not answer."))
        for raw, results in by.items():
            name = ids.encode("ws", raw)

            async def verb(tx: Any, results: list[Result] = results) -> None:
                await settle.settle(tx, results, now=self.clock.now(), entropy=self.entropy)

            await self.store.write(name, verb)


@pytest.fixture
def world(store: Any, clock: Any, entropy: Any) -> World:
    return World(store, clock, entropy)


async def test_one_workspace_takes_no_more_than_its_share(world: World) -> None:
    """Twenty endpoints with a crowd each: the workspace gets its places and another one gets all it needs."""
    a, b = await world.crowd(1, hooks=20), await world.crowd(2, hooks=1)
    works = await world.lease()
    by = Counter(w.workspace for w in works)
    assert by == {a: TENANT, b: EACH}
    assert max(Counter(w.webhook for w in works).values()) == EACH
    again = await world.lease(works)
    assert again == []


async def test_black_holes_of_many_workspaces_leave_room(world: World) -> None:
    """Once known as failing, an endpoint gets one place at a time, and all of them together a part of the worker."""
    for n in range(1, 9):
        await world.crowd(n, hooks=10, events=9)
    rounds = 0
    while works := await world.lease():
        await world.fail(works)
        rounds += 1
    assert rounds > 1
    world.clock.move(seconds=7)
    hanging = await world.lease()
    assert len(hanging) == SLOW
    assert all(w.slow for w in hanging)
    assert max(Counter(w.webhook for w in hanging).values()) == 1
    quiet = await world.crowd(99, hooks=1, events=5)
    found = await world.lease(hanging)
    assert [w.workspace for w in found] == [quiet] * 5


async def test_one_taken_event_gives_an_endpoint_its_places_back(world: World) -> None:
    """A failing endpoint that takes an event is served as any other from then on."""
    await world.crowd(1, hooks=1)
    await world.fail(await world.lease())
    world.clock.move(seconds=7)
    (one,) = await world.lease()
    name = ids.encode("ws", one.workspace)
    taken = [Result(one, 204, b"", 1)]
    await world.store.write(name, lambda tx: settle.settle(tx, taken, now=world.clock.now(), entropy=world.entropy))
    assert len(await world.lease()) == EACH
