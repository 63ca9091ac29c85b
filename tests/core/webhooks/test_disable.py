"""When an endpoint is disabled, who learns of it, and how it comes back."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from mailward.base import ids
from mailward.base.errors import Conflict, Forbidden
from mailward.core.webhooks import endpoints, look, probe, settle
from mailward.core.webhooks.enqueue import tell
from mailward.core.webhooks.lease import lease
from mailward.core.webhooks.model import Endpoint, Result, Work
from mailward.policy.access import Actor, Permission
from mailward.policy.posting import SCHEDULE

RAW = b"\x01" * 16
WS = ids.WorkspaceId(ids.encode("ws", RAW))
ACTOR = Actor(WS, "key", "key_1", frozenset(Permission))


class World:
    """A workspace whose endpoints answer what the test says."""

    def __init__(self, store: Any, clock: Any, entropy: Any) -> None:
        self.store, self.clock, self.entropy = store, clock, entropy
        self.n = 0

    def us(self) -> int:
        return int(self.clock.now().timestamp() * 1e6)

    async def endpoint(self, url: str = "https://hooks.example/x", *types: str) -> str:
        made, _ = await self.store.write(
            WS,
            lambda tx: endpoints.create(
                tx, ACTOR, url, types=types, seal=bytes, now=self.clock.now(), entropy=self.entropy
            ),
        )
        return ids.encode("whk", made.id)

    async def event(self) -> None:
        self.n += 1
        name = str(self.n)
        await self.store.write(WS, lambda tx: tell(tx, [("message.delivered", name, self.us(), {"n": name})]))

    async def lease(self, **kw: Any) -> list[Work]:
        return list(await self.store.system_write(lambda tx: lease(tx, now=self.us(), turn=0, **kw)))

    async def answer(self, status: int) -> int:
        """Everything due is posted and answered with this status; how much it was."""
        done = 0
        while works := await self.lease():
            results = [Result(w, status, b"no", 1) for w in works]
            await self.store.write(
                WS,
                lambda tx, results=results: settle.settle(tx, results, now=self.clock.now(), entropy=self.entropy),
            )
            done += len(works)
        return done

    async def whole_schedule(self, status: int = 500) -> None:
        """One event is tried until nothing is left to try."""
        for wait in SCHEDULE:
            self.clock.move(seconds=wait * 1.2 + 1)
            assert await self.answer(status) >= 1

    async def get(self, hook: str) -> Endpoint:
        found: Endpoint = await self.store.read(WS, lambda tx: endpoints.find(tx, ACTOR, hook))
        return found

    async def acts(self) -> list[tuple[str, dict[str, str]]]:
        rows = await self.store.read(
            WS, lambda tx: tx.audit.page(RAW, before=None, limit=50, act=None, since=None, until=None)
        )
        return [(r.act, json.loads(r.facts or "{}")) for r in rows]


@pytest.fixture
def world(store: Any, clock: Any, entropy: Any) -> World:
    return World(store, clock, entropy)


async def test_one_event_that_was_never_taken_disables_nobody(world: World) -> None:
    """Its schedule is over after three days: the endpoint is failing, and stays on."""
    hook = await world.endpoint()
    await world.event()
    await world.whole_schedule()
    found = await world.get(hook)
    assert (found.enabled, found.failing_since is not None) == (True, True)


async def test_five_days_in_which_nothing_was_taken_disable(world: World) -> None:
    """The second event that uses up its schedule, five days after the first failure, switches the endpoint off."""
    hook = await world.endpoint()
    other = await world.endpoint("https://other.example/", "endpoint.disabled")
    await world.event()
    await world.whole_schedule()
    await world.event()
    await world.event()
    await world.whole_schedule()
    found = await world.get(hook)
    assert (found.enabled, found.disabled_reason, found.owner_told) == (False, settle.SILENT, "due")
    assert found.disabled_at == world.us()
    act, facts = next(a for a in await world.acts() if a[0] == "webhook.disabled")
    assert (act, facts["reason"], facts["host"]) == ("webhook.disabled", settle.SILENT, "hooks.example")
    (told,) = (await world.store.read(WS, lambda tx: look.events(tx, ACTOR, other))).events
    name = ids.encode("evt", told.event)
    _, body = await world.store.read(WS, lambda tx: look.one_event(tx, ACTOR, other, name))
    event = json.loads(body)
    assert (event["type"], event["data"]["webhook"], event["data"]["reason"]) == (
        "endpoint.disabled", hook, settle.SILENT,
    )  # fmt: skip


async def test_one_taken_event_starts_the_five_days_anew(world: World) -> None:
    """An endpoint that takes some events and refuses others is never disabled for its silence."""
    hook = await world.endpoint()
    await world.event()
    await world.whole_schedule()
    await world.event()
    await world.answer(204)
    assert (await world.get(hook)).failing_since is None
    await world.event()
    await world.whole_schedule()
    assert (await world.get(hook)).enabled


async def test_one_failure_after_a_quiet_time_disables_nobody(world: World) -> None:
    """An event was never taken, and for weeks there was none: that the next finds the endpoint away for a moment says
    nothing of the time between. It is tried again, and taken."""
    hook = await world.endpoint()
    await world.event()
    await world.whole_schedule()
    world.clock.move(days=20)
    await world.event()
    assert await world.answer(503) == 1
    assert (await world.get(hook)).enabled
    world.clock.move(seconds=10)
    assert await world.answer(204) == 1
    assert (await world.get(hook)).failing_since is None


async def test_ten_days_in_which_much_waited_and_nothing_was_taken_disable(world: World) -> None:
    """Where nothing comes to its last attempt, what has waited for days itself is what tells."""
    hook = await world.endpoint()
    await world.event()
    await world.answer(503)
    await world.event()
    world.clock.move(days=11)
    await world.answer(503)
    found = await world.get(hook)
    assert (found.enabled, found.disabled_reason) == (False, settle.SILENT)


async def test_endpoints_are_written_in_one_order(clock: Any, entropy: Any) -> None:
    """However the results came in: two nodes that settle for the same endpoints never wait for each other crosswise."""
    written: list[tuple[bytes, bytes]] = []

    class Webhooks:
        async def finish(self, webhook: bytes, event: bytes, **_: Any) -> bool:
            written.append((webhook, event))
            return False

    tx: Any = SimpleNamespace(webhooks=Webhooks())
    came = [(b"b", b"1"), (b"a", b"2"), (b"b", b"0"), (b"a", b"1")]
    results = [Result(Work(RAW, hook, event, "t", 1, "", b"", ()), 200, b"", 1) for hook, event in came]
    await settle.settle(tx, results, now=clock.now(), entropy=entropy)
    assert written == [(b"a", b"2"), (b"a", b"1"), (b"b", b"1"), (b"b", b"0")]


async def test_gone_disables_at_once(world: World) -> None:
    """410 to the first event: off, what waits is ended and counted, the audit log and the owner's note say so."""
    hook = await world.endpoint()
    for _ in range(3):
        await world.event()
    (work, *_) = await world.lease(limit=1)
    await world.store.write(
        WS,
        lambda tx: settle.settle(tx, [Result(work, 410, b"", 1)], now=world.clock.now(), entropy=world.entropy),
    )
    found = await world.get(hook)
    assert (found.enabled, found.disabled_reason, found.owner_told) == (False, settle.GONE, "due")
    facts = next(f for a, f in await world.acts() if a == "webhook.disabled")
    assert facts["events_ended"] == "2"


async def test_enabling_posts_a_test_event_and_believes_the_answer(world: World) -> None:
    """Refused, it stays off and the attempt is kept; taken, it is on, with a clean slate, and audited."""
    hook = await world.endpoint()
    await world.event()
    await world.answer(410)

    async def enable(status: int, actor: Actor = ACTOR) -> Endpoint:
        now = world.clock.now()
        work = await world.store.read(WS, lambda tx: probe.prepare(tx, actor, hook, now=now, entropy=world.entropy))
        assert json.loads(work.body)["type"] == "webhook.test"
        assert len(work.secrets) == 1
        result = Result(work, status, b"said", 1)
        found: Endpoint = await world.store.write(
            WS, lambda tx: probe.conclude(tx, actor, result, now=now, entropy=world.entropy)
        )
        return found

    assert not (await enable(503)).enabled
    assert not (await world.get(hook)).enabled
    world.clock.move(seconds=1)
    assert (await enable(200)).enabled
    found = await world.get(hook)
    assert (found.enabled, found.disabled_reason, found.disabled_at, found.failing_since, found.owner_told) == (
        True, "", None, None, "",
    )  # fmt: skip
    page = await world.store.read(WS, lambda tx: look.attempts(tx, ACTOR, hook))
    assert [(a.type, a.outcome, a.status) for a in page.attempts][:2] == [
        ("webhook.test", "delivered", 200),
        ("webhook.test", "failed", 503),
    ]
    assert [a for a, _ in await world.acts()].count("webhook.enabled") == 1
    reader = Actor(WS, "key", "key_2", frozenset({Permission.WEBHOOK_READ}))
    with pytest.raises(Forbidden):
        await enable(200, reader)


async def test_an_answer_of_the_url_before_enables_nothing(world: World) -> None:
    """The URL was changed while the old one was asked: the new one has to be asked itself."""
    hook = await world.endpoint()
    now = world.clock.now()
    await world.store.write(WS, lambda tx: endpoints.change(tx, ACTOR, hook, disable=True, now=now))
    work = await world.store.read(WS, lambda tx: probe.prepare(tx, ACTOR, hook, now=now, entropy=world.entropy))
    await world.store.write(WS, lambda tx: endpoints.change(tx, ACTOR, hook, url="https://new.example/", now=now))
    with pytest.raises(Conflict):
        await world.store.write(
            WS,
            lambda tx: probe.conclude(tx, ACTOR, Result(work, 200, b"", 1), now=now, entropy=world.entropy),
        )
    assert not (await world.get(hook)).enabled


async def test_disabling_by_hand_is_nobodys_news(world: World) -> None:
    """Whoever switches an endpoint off knows it: no mail is due."""
    hook = await world.endpoint()
    await world.store.write(WS, lambda tx: endpoints.change(tx, ACTOR, hook, disable=True, now=world.clock.now()))
    found = await world.get(hook)
    assert (found.disabled_reason, found.owner_told) == ("by hand", "")
