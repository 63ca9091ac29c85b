"""From an event to a settled attempt: the queue, the courier and the verbs about endpoints, on every store."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from mailward.base import ids
from mailward.base.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from mailward.core.webhooks import endpoints, enqueue, lease, look, replay, settle
from mailward.core.webhooks.endpoints import Reach
from mailward.core.webhooks.model import Event
from mailward.edges.workers.webhooks import WebhookWorker
from mailward.policy.access import Actor, Permission
from mailward.policy.egress import networks
from mailward.policy.posting import SCHEDULE
from tests.conftest import on_every_store as pytest_generate_tests  # noqa: F401 - a hook

WS = ids.WorkspaceId(ids.encode("ws", b"\x01" * 16))
OTHER = ids.WorkspaceId(ids.encode("ws", b"\x02" * 16))
URL = "https://hooks.example/mail"


def seal(b: bytes) -> bytes:
    return bytes(x ^ 0x55 for x in b)


def unseal(workspace: str, b: bytes) -> bytes:
    return seal(b)


@dataclass
class Answer:
    status: int = 204
    body: bytes = b""
    elapsed_ms: int = 3
    retry_after: float | None = None


class Poster:
    """Answers what it is told and remembers what it got."""

    def __init__(self) -> None:
        self.answer: Answer | Exception = Answer()
        self.got: list[tuple[str, Mapping[str, str], bytes]] = []

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, *, deadline: float, max_response: int
    ) -> Answer:
        self.got.append((url, headers, body))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Quiet:
    def info(self, event: str, **fields: Any) -> None: ...

    def warning(self, event: str, **fields: Any) -> None: ...


class World:
    """A store with one endpoint, a courier and a moving clock."""

    def __init__(self, store: Any, clock: Any, entropy: Any) -> None:
        self.store, self.clock, self.entropy = store, clock, entropy
        self.poster = Poster()
        self.actor = Actor(WS, "key", "key_1", frozenset(Permission))
        self.worker = WebhookWorker(store, self.poster, unseal=unseal, clock=clock, entropy=entropy, log=Quiet())

    async def write(self, verb: Any, *a: Any, ws: ids.WorkspaceId = WS, **kw: Any) -> Any:
        actor = Actor(ws, "key", "key_1", frozenset(Permission))
        return await self.store.write(ws, lambda tx: verb(tx, actor, *a, now=self.clock.now(), **kw))

    async def endpoint(self, url: str = URL, ws: ids.WorkspaceId = WS, **kw: Any) -> tuple[str, str]:
        made, secret = await self.write(endpoints.create, url, seal=seal, entropy=self.entropy, ws=ws, **kw)
        return ids.encode("whk", made.id), secret.reveal()

    async def event(self, type: str = "message.delivered", n: int = 1) -> int:
        at = int(self.clock.now().timestamp() * 1e6)
        events = [Event(ids.new_raw(at // 1000, self.entropy), type, at, {"message": f"msg_{i}"}) for i in range(n)]

        async def verb(tx: Any) -> int:
            return await enqueue.enqueue_events(tx, events, endpoints=await tx.webhooks.audience())

        return int(await self.store.write(WS, verb))

    async def run(self) -> int:
        started = await self.worker.step()
        await self.worker.settled()
        return started

    async def attempts(self, hook: str) -> list[Any]:
        page = await self.store.read(WS, lambda tx: look.attempts(tx, self.actor, hook))
        return list(page.attempts)


@pytest.fixture
def world(store: Any, clock: Any, entropy: Any) -> World:
    return World(store, clock, entropy)


def verified(secret: str, got: tuple[str, Mapping[str, str], bytes], world: World) -> Any:
    """Verify with the reference library, at the time of the test's clock."""
    import datetime as real

    from standardwebhooks import webhooks as library

    class Frozen(real.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return world.clock.now()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "datetime", Frozen)
        return Webhook(secret).verify(got[2], dict(got[1]))


async def test_an_event_arrives_signed_and_is_recorded(world: World) -> None:
    """The endpoint gets type, timestamp and data under a signature that verifies; the attempt is kept."""
    hook, secret = await world.endpoint()
    assert await world.event() == 1
    assert await world.run() == 1
    payload = verified(secret, world.poster.got[0], world)
    assert payload["type"] == "message.delivered"
    assert payload["data"] == {"message": "msg_0", "occurred_at": payload["timestamp"]}
    assert payload["id"] == world.poster.got[0][1]["webhook-id"]
    assert payload["timestamp"] == "2026-03-04T05:06:07Z"
    (attempt,) = await world.attempts(hook)
    assert (attempt.outcome, attempt.status, attempt.number) == ("delivered", 204, 1)
    assert await world.run() == 0


async def test_only_wanted_types_are_queued(world: World) -> None:
    """An endpoint that asked for bounces hears nothing of deliveries; no endpoint, no row."""
    assert await world.event() == 0
    await world.endpoint(types=["message.bounced"])
    assert await world.event("message.delivered") == 0
    assert await world.event("message.bounced") == 1


async def test_failures_follow_the_schedule_and_end(world: World) -> None:
    """Ten attempts, each signed afresh under the same event id, with the waits of the schedule; then it is failed."""
    hook, secret = await world.endpoint()
    await world.event()
    world.poster.answer = Answer(500, b"<script>" + b"x" * 5000)
    for wait in (*SCHEDULE[1:], None):
        assert await world.run() == 1
        verified(secret, world.poster.got[-1], world)
        if wait is not None:
            world.clock.move(seconds=wait - 0.5)
            assert await world.run() == 0
            world.clock.move(seconds=wait * 0.2 + 1)
    world.clock.move(days=10)
    assert await world.run() == 0
    assert len({got[1]["webhook-id"] for got in world.poster.got}) == 1
    assert len({got[1]["webhook-signature"] for got in world.poster.got}) == len(SCHEDULE)
    attempts = await world.attempts(hook)
    assert [a.outcome for a in attempts] == ["failed", *["retry"] * 9]
    assert all(len(a.response) <= 1024 for a in attempts)


async def test_retry_after_is_honoured_within_reason(world: World) -> None:
    """A 429 with Retry-After waits that long, but never longer than a day."""
    await world.endpoint()
    await world.event()
    world.poster.answer = Answer(429, retry_after=600.0)
    await world.run()
    world.clock.move(seconds=599)
    assert await world.run() == 0
    world.clock.move(seconds=2)
    world.poster.answer = Answer(503, retry_after=1e12)
    assert await world.run() == 1
    world.clock.move(days=1, seconds=1)
    assert await world.run() == 1


async def test_gone_disables_the_endpoint_and_what_waits_ends(world: World) -> None:
    """410 switches the endpoint off with a reason; nothing more is posted; a test event is refused."""
    hook, _ = await world.endpoint()
    await world.event(n=3)
    world.poster.answer = Answer(410)
    await world.run()
    world.clock.move(days=1)
    assert await world.run() == 0
    found = await world.store.read(WS, lambda tx: endpoints.find(tx, world.actor, hook))
    assert (found.enabled, found.disabled_reason) == (False, "it answered 410 Gone")
    with pytest.raises(Conflict):
        await world.write(enqueue.send_test, hook, entropy=world.entropy)
    assert await world.event() == 0


@pytest.mark.parametrize(
    "error", [Unavailable("no_answer", "The endpoint did not answer."), TimeoutError(), OSError(), ValueError("odd")]
)
async def test_no_answer_is_tried_again(world: World, error: Exception) -> None:
    """A refused target, a timeout, a broken connection, or a fault of ours: recorded and tried again."""
    hook, _ = await world.endpoint()
    await world.event()
    world.poster.answer = error
    await world.run()
    (attempt,) = await world.attempts(hook)
    assert (attempt.outcome, attempt.status) == ("retry", 0)
    assert "odd" not in attempt.response
    world.clock.move(seconds=7)
    world.poster.answer = Answer()
    assert await world.run() == 1


class Stumbling:
    """A store of which one question, and the first record of attempts, fail as nobody foresaw."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.failures = {"system_read": 1, "write": 1}

    def __getattr__(self, name: str) -> Any:
        if self.failures.get(name, 0):
            self.failures[name] -= 1
            raise RuntimeError(name)
        return getattr(self._store, name)


async def test_a_fault_that_nobody_foresaw_ends_neither_the_courier_nor_what_it_has_done(world: World) -> None:
    """It looks again at the next tick; what was posted is settled then, and not posted a second time."""
    hook, _ = await world.endpoint()
    await world.event()
    stumbling = Stumbling(world.store)
    worker = WebhookWorker(
        stumbling, world.poster, unseal=unseal, clock=world.clock, entropy=world.entropy, log=Quiet()
    )
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(stop))
    async with asyncio.timeout(10):
        while not await world.attempts(hook) and not running.done():
            worker.wake()
            await asyncio.sleep(0.01)
    assert not running.done()
    stop.set()
    await running
    assert stumbling.failures == {"system_read": 0, "write": 0}
    assert [(a.outcome, a.number) for a in await world.attempts(hook)] == [("delivered", 1)]
    assert len(world.poster.got) == 1


async def test_a_lease_that_ran_out_is_taken_over_once(world: World) -> None:
    """A worker that died is replaced after its lease; a late answer of the first changes nothing."""
    hook, _ = await world.endpoint()
    await world.event()
    now = int(world.clock.now().timestamp() * 1e6)
    (work,) = await world.store.system_write(lambda tx: lease.lease(tx, now=now, limit=9, turn=0))
    assert await world.run() == 0
    world.clock.move(seconds=61)
    assert await world.run() == 1
    from mailward.core.webhooks.model import Result

    late = [Result(work, 500, b"", 1)]
    await world.store.write(WS, lambda tx: settle.settle(tx, late, now=world.clock.now(), entropy=world.entropy))
    (attempt,) = await world.attempts(hook)
    assert attempt.outcome == "delivered"


async def test_a_worker_that_is_known_to_be_dead_is_not_waited_for(world: World) -> None:
    """What it was posting is posted by its successor at once, under the same id."""
    hook, _ = await world.endpoint()
    await world.event()
    now = int(world.clock.now().timestamp() * 1e6)
    dead, _ = await world.store.system_write(lambda tx: tx.deliveries.take_slot(0, now))
    assert len(await world.store.system_write(lambda tx: lease.lease(tx, lessee=dead, now=now, limit=9, turn=0))) == 1
    assert await world.run() == 0
    assert (await world.store.system_write(lambda tx: tx.deliveries.take_slot(0, now)))[1] == 1
    assert await world.run() == 1
    (attempt,) = await world.attempts(hook)
    assert (attempt.outcome, attempt.number) == ("delivered", 1)


async def test_one_endpoint_cannot_take_every_place(world: World) -> None:
    """A crowd for one endpoint leaves room for another's event in the same lease."""
    await world.endpoint("https://crowd.example/", types=["message.delivered"])
    await world.event(n=200)
    await world.endpoint("https://quiet.example/", types=["message.bounced"])
    await world.event("message.bounced")
    now = int(world.clock.now().timestamp() * 1e6)
    works = await world.store.system_write(lambda tx: lease.lease(tx, now=now, limit=100, turn=0))
    urls = [w.url for w in works]
    assert urls.count("https://crowd.example/") == lease.EACH
    assert urls.count("https://quiet.example/") == 1


async def test_rotation_overlaps_then_ends(world: World) -> None:
    """Old and new secret both verify during the overlap; afterwards only the new one."""
    hook, old = await world.endpoint()
    world.clock.move(seconds=1)
    _, secret = await world.write(
        endpoints.rotate_secret, hook, seal=seal, entropy=world.entropy, overlap=timedelta(hours=1)
    )
    await world.event()
    await world.run()
    verified(old, world.poster.got[-1], world)
    verified(secret.reveal(), world.poster.got[-1], world)
    world.clock.move(hours=1, seconds=1)
    await world.event()
    await world.run()
    verified(secret.reveal(), world.poster.got[-1], world)
    with pytest.raises(WebhookVerificationError):
        verified(old, world.poster.got[-1], world)


async def test_replay_posts_the_same_bytes_under_the_same_id(world: World) -> None:
    """By event, and by a span of time for what failed."""
    hook, _ = await world.endpoint()
    await world.event()
    await world.run()
    (attempt,) = await world.attempts(hook)
    await world.write(replay.replay_event, hook, ids.encode("evt", attempt.event), entropy=world.entropy)
    await world.run()
    first, second = world.poster.got
    assert first[2] == second[2]
    assert first[1]["webhook-id"] == second[1]["webhook-id"]
    span = {"since": world.clock.now() - timedelta(days=1), "until": world.clock.now() + timedelta(days=1)}
    assert (await world.write(replay.replay_range, hook, entropy=world.entropy, **span)).replay.total == 0
    all_of_it = await world.write(replay.replay_range, hook, failed_only=False, entropy=world.entropy, **span)
    assert all_of_it.replay.total == 1
    with pytest.raises(NotFound):
        await world.write(replay.replay_event, hook, ids.encode("evt", b"\x09" * 16), entropy=world.entropy)


async def test_a_test_event_is_delivered(world: World) -> None:
    """The test verb posts a webhook.test event whatever types the endpoint asked for."""
    hook, secret = await world.endpoint(types=["message.bounced"])
    await world.write(enqueue.send_test, hook, entropy=world.entropy)
    await world.run()
    assert verified(secret, world.poster.got[0], world)["type"] == "webhook.test"


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example/",
        "https://user:pw@hooks.example/",
        "ftp://hooks.example/",
        "https:///x",
        "https://hooks.example/#f",
        "https://hooks.example/a b",
        "https://hooks.example:99999/",
        "javascript:alert(1)",
        "https://h\u00f6oks\u2028.example/",
        "https://10.0.0.1/",
        "https://127.0.0.1:8443/",
        "https://[::1]/",
        "https://[::ffff:192.168.0.1]/",
        "https://[fe80::1%25eth0]/",
        "https://169.254.169.254/latest/",
        "https://hooks.example\\@evil.example/",
    ],
)
async def test_urls_that_are_no_place_for_a_webhook(world: World, url: str) -> None:
    """Only https with a host; in capture mode http to this machine too."""
    with pytest.raises(Invalid):
        await world.endpoint(url)
    with pytest.raises(Invalid):
        await world.endpoint(url, reach=Reach(loopback_http=True))
    await world.endpoint("http://127.0.0.1:9/x", reach=Reach(loopback_http=True))
    await world.endpoint("https://10.0.0.1/", reach=Reach(networks=networks(["10.0.0.0/8"])))
    await world.endpoint("https://8.8.8.8/")


async def test_another_workspace_cannot_reach_an_endpoint(world: World) -> None:
    """Every verb answers not found for another tenant's endpoint; its events go to its own only."""
    hook, _ = await world.endpoint()
    await world.endpoint("https://other.example/", ws=OTHER)
    for verb, kw in (
        (endpoints.change, {"disable": True}),
        (endpoints.remove, {}),
        (enqueue.send_test, {"entropy": world.entropy}),
    ):
        with pytest.raises(NotFound):
            await world.write(verb, hook, ws=OTHER, **kw)
    await world.event()
    await world.run()
    assert [g[0] for g in world.poster.got] == [URL]


async def test_a_reader_changes_nothing(world: World) -> None:
    """Reading endpoints does not permit creating them."""
    reader = Actor(WS, "key", "key_1", frozenset({Permission.WEBHOOK_READ}))
    with pytest.raises(Forbidden):
        await world.store.write(
            WS,
            lambda tx: endpoints.create(tx, reader, URL, seal=seal, now=world.clock.now(), entropy=world.entropy),
        )


async def test_old_events_are_forgotten_and_removal_is_complete(world: World) -> None:
    """Prune forgets what is done; removing an endpoint takes its attempts along."""
    hook, _ = await world.endpoint()
    await world.event()
    await world.run()
    world.clock.move(days=15)
    now = int(world.clock.now().timestamp() * 1e6)
    assert await world.store.system_write(lambda tx: lease.prune(tx, now=now)) == 1
    assert await world.attempts(hook) == []
    await world.write(endpoints.remove, hook)
    with pytest.raises(NotFound):
        await world.attempts(hook)


async def test_an_endpoint_that_hangs_delays_nobody_else(world: World) -> None:
    """While every request to one endpoint hangs, another's event is posted, taken and settled."""
    hanging = asyncio.Event()
    posted = world.poster.post

    async def post(url: str, headers: Mapping[str, str], body: bytes, *, deadline: float, max_response: int) -> Answer:
        if "hole" in url:
            await hanging.wait()
        return await posted(url, headers, body, deadline=deadline, max_response=max_response)

    world.poster.post = post  # type: ignore[method-assign]
    await world.endpoint("https://hole.example/", types=["message.delivered"])
    quiet, _ = await world.endpoint("https://quiet.example/", types=["message.bounced"])
    await world.event(n=50)
    await world.event("message.bounced")
    assert await world.worker.step() == lease.EACH + 1
    for _ in range(20):
        await asyncio.sleep(0)
    assert await world.worker.step() == 0
    assert [a.outcome for a in await world.attempts(quiet)] == ["delivered"]
    hanging.set()
    await world.worker.settled()
    assert await world.worker.step() == lease.EACH
    await world.worker.settled()


async def test_an_endpoint_that_is_down_is_asked_now_and_then_however_much_waits(world: World) -> None:
    """After three failures in a row it rests, and what waits is neither tried nor counted as tried; the one that
    takes events meanwhile has all of its own; the first success ends the rest."""
    await world.endpoint()
    await world.event(n=300)
    world.poster.answer = ConnectionRefusedError()
    while await world.run():
        pass
    asked = len(world.poster.got)
    assert asked <= 16
    await world.endpoint("https://up.example/mail", types=["message.bounced"])
    await world.event("message.bounced", n=20)
    world.poster.answer = Answer()
    while await world.run():
        pass
    assert {url for url, _, _ in world.poster.got[asked:]} == {"https://up.example/mail"}
    assert len(world.poster.got) == asked + 20
    world.clock.move(seconds=31)
    while await world.run():
        pass
    assert len(world.poster.got) >= 320


async def test_looking_at_the_queue_costs_nothing_by_what_waits_for_one_that_rests(world: World) -> None:
    """No write transaction is begun for events that are due only at an endpoint that rests."""
    await world.endpoint()
    await world.event(n=50)
    world.poster.answer = ConnectionRefusedError()
    while await world.run():
        pass
    now = world.clock.now()
    assert await world.worker.due(int(now.timestamp() * 1e6), frozenset())
    held = frozenset(world.worker._resting.at(world.clock.monotonic()))
    assert len(held) == 1
    assert not await world.worker.due(int(now.timestamp() * 1e6), held)
