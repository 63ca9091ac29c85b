"""Holding, releasing and cancelling, with what endpoints are told of each."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.adapters.storage.sqlite.tx import SqliteTx
from mailward.base import ids
from mailward.base.errors import Conflict, Forbidden, NotFound
from mailward.core.messages import change, pause
from mailward.core.messages.model import DeliveryState
from mailward.core.submission.model import StaleJudgement
from mailward.core.suppression.change import by_bounce
from mailward.core.webhooks import endpoints
from mailward.core.webhooks.enqueue import tell
from mailward.policy.access import Actor, Permission
from tests.conftest import MovingClock, SeededEntropy
from tests.core.conftest import T0, TOKEN_KEY, WS, WS_ID, put, submission

ACTOR = Actor(ids.WorkspaceId(WS_ID), "key", "key_1", frozenset(Permission))
# How events lie in rows is looked at, and how often they are asked for.
pytestmark = pytest.mark.parametrize("store", ["embedded"], indirect=True)

HELD: dict[str, Any] = {"state": DeliveryState.HELD, "reason": "sending_paused"}


async def listen(store: SqliteStore, clock: MovingClock, entropy: SeededEntropy, *types: str) -> None:
    """An endpoint that wants these types."""
    await store.write(
        WS_ID,
        lambda tx: endpoints.create(
            tx, ACTOR, "https://x.example/", types=types, seal=bytes, now=clock.now(), entropy=entropy
        ),
    )


async def told(store: SqliteStore) -> list[tuple[str, dict[str, Any]]]:
    """(type, data) of every event that waits for an endpoint, by time."""

    async def look(tx: SqliteTx) -> list[tuple[str, dict[str, Any]]]:
        sql = (
            "SELECT e.type, e.body FROM webhook_events e "
            "WHERE EXISTS (SELECT 1 FROM webhook_jobs j WHERE j.event = e.id) ORDER BY e.at, e.type"
        )
        return [(r[0], json.loads(r[1])["data"]) for r in tx.rows(sql)]

    return await store.read(WS_ID, look)


async def states(store: SqliteStore, message: bytes) -> list[str]:
    async def look(tx: SqliteTx) -> list[str]:
        return [d.state.name for d in (await tx.deliveries.of([message]))[message]]

    return await store.read(WS_ID, look)


async def release(store: SqliteStore, message: bytes, actor: Actor = ACTOR, now: int = T0 + 5) -> int:
    return await store.write(WS_ID, lambda tx: change.release(tx, actor, message, now=now, tell=tell))


async def test_acceptance_is_told_with_what_it_led_to(
    store: SqliteStore, clock: MovingClock, entropy: SeededEntropy
) -> None:
    """Accepted once a message, suppressed once a recipient on the list, scheduled with its time; all in that commit."""
    await listen(store, clock, entropy)
    await store.write(
        WS_ID, lambda tx: by_bounce(tx, "b@x.test", source="m", key=TOKEN_KEY, now=clock.now(), entropy=entropy)
    )
    await put(store, submission(1, "b@x.test", "c@y.test", tags=("t",), metadata={"k": "v"}))
    accepted, suppressed = await told(store)
    assert accepted[0] == "message.accepted"
    assert accepted[1]["recipients"] == ["b@x.test", "c@y.test"]
    assert (accepted[1]["tags"], accepted[1]["metadata"], accepted[1]["from"]) == (["t"], {"k": "v"}, "A <a@d.test>")
    assert suppressed[0] == "message.suppressed"
    assert (suppressed[1]["recipient"], suppressed[1]["reason"]) == ("b@x.test", "suppressed:hard_bounce")


async def test_a_scheduled_message_is_told_as_such(
    store: SqliteStore, clock: MovingClock, entropy: SeededEntropy
) -> None:
    """Its event names the time."""
    await listen(store, clock, entropy, "message.scheduled")
    item = submission(1, due=T0 + 60_000_000)
    import msgspec

    item.facts = msgspec.structs.replace(item.facts, due=T0 + 60_000_000)
    await put(store, item)
    ((type, data),) = await told(store)
    assert (type, data["scheduled_at"]) == ("message.scheduled", "2026-02-02T02:41:00Z")


async def test_nothing_is_written_for_types_nobody_wants(
    store: SqliteStore, clock: MovingClock, entropy: SeededEntropy
) -> None:
    """An endpoint for bounces costs an accepted message no row."""
    await listen(store, clock, entropy, "message.bounced")
    await put(store, submission(1))

    async def rows(tx: SqliteTx) -> int:
        return int(tx.rows("SELECT count(*) FROM webhook_events")[0][0])

    assert await store.read(WS_ID, rows) == 0


async def test_who_wants_what_is_read_once_and_forgotten_when_it_changes(
    store: SqliteStore, clock: MovingClock, entropy: SeededEntropy
) -> None:
    """Between two changes of endpoints no query is made; a new, changed or removed one is heeded by the next commit."""
    seen: list[tuple[int, int]] = []

    async def count(tx: SqliteTx) -> None:
        before = tx._db.total_changes()
        first = await tx.webhooks.audience()
        seen.append((len(first.by_type), tx._db.total_changes() - before))
        assert await tx.webhooks.audience() is first

    await store.write(WS_ID, count)
    await listen(store, clock, entropy, "message.accepted")
    await store.write(WS_ID, count)
    hook = await store.read(WS_ID, lambda tx: endpoints.page(tx, ACTOR))
    name = ids.encode("whk", hook[0].id)
    await store.write(
        WS_ID, lambda tx: endpoints.change(tx, ACTOR, name, types=["message.held", "message.bounced"], now=clock.now())
    )
    await store.write(WS_ID, count)
    await store.write(WS_ID, lambda tx: endpoints.remove(tx, ACTOR, name, now=clock.now()))
    await store.write(WS_ID, count)
    assert [n for n, _ in seen] == [0, 1, 2, 0]


async def test_a_held_message_is_not_leased_until_it_is_released(
    store: SqliteStore, clock: MovingClock, entropy: SeededEntropy
) -> None:
    """Held is told with its reason; release queues it, tells it, and leaves an entry in timeline and audit log."""
    from mailward.core.delivery.lease import lease

    await listen(store, clock, entropy, "message.held", "message.released")
    receipt = await put(store, submission(1, **HELD))
    assert receipt.states == (DeliveryState.HELD,)

    async def due(tx: SqliteTx) -> int:
        return len(await lease(tx, 1, now=T0 + 10**12, until=T0 + 10**13, limit=10, turn=0))

    assert await store.system_write(due) == 0
    assert await release(store, receipt.id) == 1
    assert await states(store, receipt.id) == ["QUEUED"]
    assert await store.system_write(due) == 1
    held, released = await told(store)
    assert (held[0], held[1]["reason"], held[1]["recipients"]) == ("message.held", "sending_paused", ["b@x.test"])
    assert released[0] == "message.released"

    async def kept(tx: SqliteTx) -> tuple[list[str], list[str]]:
        moments = [m for _, m, _ in await tx.messages.timeline(receipt.id)]
        acts = [r.act for r in await tx.audit.page(WS, before=None, limit=9, act=None, since=None, until=None)]
        return moments, acts

    moments, acts = await store.read(WS_ID, kept)
    assert moments == ["held", "released"]
    assert acts[0] == "message.released"
    with pytest.raises(Conflict) as refusal:
        await release(store, receipt.id)
    assert refusal.value.code == "not_held"


async def test_release_needs_the_permission_and_the_workspace(store: SqliteStore) -> None:
    """A reader is forbidden; another tenant's message does not exist. The same call by its owner succeeds."""
    receipt = await put(store, submission(1, **HELD))
    reader = Actor(ACTOR.workspace, "key", "key_2", frozenset({Permission.MESSAGE_READ}))
    with pytest.raises(Forbidden):
        await release(store, receipt.id, reader)
    other = ids.encode("ws", b"b" * 16)
    stranger = Actor(ids.WorkspaceId(other), "key", "key_3", frozenset(Permission))
    with pytest.raises(NotFound):
        await store.write(other, lambda tx: change.release(tx, stranger, receipt.id, now=T0, tell=tell))
    assert await release(store, receipt.id) == 1


async def test_many_are_released_by_stream_and_within_a_bound(store: SqliteStore) -> None:
    """Only the stream asked for, the oldest first, and `more` while some are left."""
    for n in range(5):
        stream = "broadcast" if n == 4 else "transactional"
        await put(store, submission(n, **HELD, stream=stream, created=T0 + n * 1000))

    async def some(limit: int, stream: str | None) -> change.Released:
        return await store.write(
            WS_ID, lambda tx: change.release_held(tx, ACTOR, stream=stream, now=T0, tell=tell, limit=limit)
        )

    assert await some(3, "transactional") == (3, True)
    assert await some(3, "transactional") == (1, False)
    assert await some(3, None) == (1, False)
    assert await some(3, None) == (0, False)


async def test_a_cancelled_message_is_told_and_audited(
    store: SqliteStore, clock: MovingClock, entropy: SeededEntropy
) -> None:
    """Held or waiting, it ends; what ended cannot be cancelled again, and nothing more is told."""
    await listen(store, clock, entropy, "message.cancelled")
    receipt = await put(store, submission(1, "b@x.test", "c@y.test", **HELD))

    async def cancel() -> int:
        return await store.write(WS_ID, lambda tx: change.cancel(tx, ACTOR, receipt.id, now=T0 + 5, tell=tell))

    assert await cancel() == 2
    assert await states(store, receipt.id) == ["CANCELLED", "CANCELLED"]
    with pytest.raises(Conflict):
        await cancel()
    ((type, data),) = await told(store)
    assert (type, data["recipients"]) == ("message.cancelled", ["b@x.test", "c@y.test"])


async def test_a_pause_overtakes_what_was_judged_before_it(store: SqliteStore) -> None:
    """A message judged while mail flowed is judged again once a pause committed; resuming moves the epoch, too."""
    await store.write(WS_ID, lambda tx: pause.pause(tx, ACTOR, stream="broadcast", reason="wrong list", now=T0))
    with pytest.raises(StaleJudgement):
        await put(store, submission(1))
    with pytest.raises(Conflict):
        await store.write(WS_ID, lambda tx: pause.pause(tx, ACTOR, stream="broadcast", now=T0))
    (one,) = await store.read(WS_ID, lambda tx: pause.pauses(tx, ACTOR))
    assert (one.stream, one.reason) == ("broadcast", "wrong list")
    assert await store.system_read(lambda tx: tx.deliveries.paused_streams()) == [(WS, "broadcast")]
    await store.write(WS_ID, lambda tx: pause.resume(tx, ACTOR, stream="broadcast", now=T0))
    with pytest.raises(Conflict):
        await store.write(WS_ID, lambda tx: pause.resume(tx, ACTOR, stream="broadcast", now=T0))
    with pytest.raises(StaleJudgement):
        await put(store, submission(2, epochs=(0, 1)))
    assert (await put(store, submission(2, epochs=(0, 2)))).id
