"""Replays: what they take, how many, how fast, and how far they are."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from mailward.base import ids
from mailward.base.errors import Conflict, Invalid, NotFound
from mailward.core.webhooks import endpoints, replay, settle
from mailward.core.webhooks import lease as leasing
from mailward.core.webhooks.enqueue import tell
from mailward.core.webhooks.lease import lease
from mailward.core.webhooks.model import JobState, Progress, Result
from mailward.policy import posting
from mailward.policy.access import Actor, Permission
from mailward.policy.posting import REPLAY_PER_SECOND

WS = ids.WorkspaceId(ids.encode("ws", b"\x01" * 16))
ACTOR = Actor(WS, "key", "key_1", frozenset(Permission))


class World:
    """An endpoint that was told of some events, an hour apart."""

    def __init__(self, store: Any, clock: Any, entropy: Any) -> None:
        self.store, self.clock, self.entropy = store, clock, entropy
        self.hook = ""

    def us(self) -> int:
        return int(self.clock.now().timestamp() * 1e6)

    async def begin(self, *answers: int) -> None:
        made, _ = await self.store.write(
            WS,
            lambda tx: endpoints.create(
                tx, ACTOR, "https://x.example/", seal=bytes, now=self.clock.now(), entropy=self.entropy
            ),
        )
        self.hook = ids.encode("whk", made.id)
        for n, status in enumerate(answers):
            await self.store.write(WS, lambda tx, n=n: tell(tx, [("message.delivered", str(n), self.us(), {"n": n})]))
            await self.answer(status)
            self.clock.move(hours=1)

    async def answer(self, status: int) -> list[bytes]:
        """All that is due is answered so, for good; the events."""
        works = await self.store.system_write(lambda tx: lease(tx, now=self.us(), turn=0, limit=1000))

        async def verb(tx: Any) -> None:
            if status == 204:
                done = [Result(w, 204, b"", 1) for w in works]
                await settle.settle(tx, done, now=self.clock.now(), entropy=self.entropy)
                return
            for w in works:
                await tx.webhooks.finish(w.webhook, w.event, number=w.number, state=JobState.FAILED, due=None)

        await self.store.write(WS, verb)
        return [w.event for w in works]

    async def replay(self, **kw: Any) -> Progress:
        found: Progress = await self.store.write(
            WS,
            lambda tx: replay.replay_range(tx, ACTOR, self.hook, now=self.clock.now(), entropy=self.entropy, **kw),
        )
        return found

    async def progress(self, id: bytes) -> Progress:
        name = ids.encode("rpl", id)
        found: Progress = await self.store.read(WS, lambda tx: replay.progress(tx, ACTOR, self.hook, name))
        return found


@pytest.fixture
def world(store: Any, clock: Any, entropy: Any) -> World:
    return World(store, clock, entropy)


async def test_all_failures_of_an_endpoint(world: World) -> None:
    """Without a time: everything kept that it never took, and nothing it took; progress counts to the end."""
    await world.begin(500, 204, 500)
    started = await world.replay()
    assert (started.replay.total, started.replay.more, started.finished) == (2, False, False)
    assert started.counts == {JobState.PENDING: 2}
    world.clock.move(seconds=1)
    assert len(await world.answer(204)) == 2
    done = await world.progress(started.replay.id)
    assert (done.counts, done.finished) == ({JobState.DELIVERED: 2}, True)
    assert (await world.replay()).replay.total == 0


async def test_a_span_of_time_is_half_open(world: World) -> None:
    """From `since` on and before `until`, whatever became of it when all is asked for."""
    begun = world.clock.now()
    await world.begin(204, 500, 204)
    hour = timedelta(hours=1)
    found = await world.replay(since=begun + hour, until=begun + 2 * hour, failed_only=False)
    assert found.replay.total == 1
    assert (await world.replay(since=begun, until=begun + hour)).replay.total == 0
    with pytest.raises(Invalid):
        await world.replay(since=begun + hour, until=begun + hour)


async def test_a_replay_is_bounded_in_number_and_in_rate(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest first, up to the bound, with `more` said; they become due one after the other."""
    monkeypatch.setattr(posting, "REPLAY_MAX", 3)
    await world.begin(*[500] * 5)
    first = await world.replay()
    assert (first.replay.total, first.replay.more) == (3, True)
    step = 1 / REPLAY_PER_SECOND
    seen = []
    for _ in range(4):
        seen.append(len(await world.answer(204)))
        world.clock.move(seconds=step)
    assert seen == [1, 1, 1, 0]
    second = await world.replay()
    assert (second.replay.total, second.replay.more) == (2, False)


async def test_one_event_is_posted_again_under_its_id(world: World) -> None:
    """Also when it was taken; its own replay is listed, and one of an unknown event is refused."""
    await world.begin(204)
    world.clock.move(seconds=1)
    (told,) = await world.store.read(
        WS, lambda tx: tx.webhooks.told(ids.decode("whk", world.hook), before=None, limit=9)
    )
    name = ids.encode("evt", told.event)

    async def again(event: str) -> Progress:
        found: Progress = await world.store.write(
            WS,
            lambda tx: replay.replay_event(tx, ACTOR, world.hook, event, now=world.clock.now(), entropy=world.entropy),
        )
        return found

    assert (await again(name)).replay.total == 1
    assert await world.answer(204) == [told.event]
    (listed,) = await world.store.read(WS, lambda tx: replay.replays(tx, ACTOR, world.hook))
    assert listed.finished
    with pytest.raises(NotFound):
        await again(ids.encode("evt", b"\x09" * 16))


async def test_a_disabled_endpoint_is_not_replayed_to(world: World) -> None:
    """It has to be enabled first."""
    await world.begin(500)
    await world.store.write(WS, lambda tx: endpoints.change(tx, ACTOR, world.hook, disable=True, now=world.clock.now()))
    with pytest.raises(Conflict):
        await world.replay()


async def test_what_is_no_longer_kept_is_not_replayed(world: World) -> None:
    """After the time that events are kept, a replay of everything finds nothing, and old replays are forgotten."""
    await world.begin(500)
    old = await world.replay()
    await world.answer(204)
    world.clock.move(days=15)
    await world.store.system_write(lambda tx: leasing.prune(tx, now=world.us()))
    assert (await world.replay(failed_only=False)).replay.total == 0
    with pytest.raises(NotFound):
        await world.progress(old.replay.id)
