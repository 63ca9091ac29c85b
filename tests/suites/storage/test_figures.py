"""Counters by the hour and the request log, on every store."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from mailward.app.store import Store, Tx
from mailward.base import ids
from mailward.base.ids import WorkspaceId
from mailward.core.messages.find import index
from mailward.core.messages.model import FACTS_ENCODER, HOUR_US, MessageFacts
from mailward.core.requests import look
from mailward.core.requests.model import Request, request_id
from mailward.core.workspaces.model import Workspace, WorkspaceSettings
from mailward.policy.access import Actor, Permission

RAW, OTHER = b"w" * 16, b"v" * 16
WS, WS2 = (WorkspaceId(ids.encode("ws", raw)) for raw in (RAW, OTHER))
ACTOR = Actor(WS, "system", "test", frozenset(Permission))
T0 = 500_000 * HOUR_US
DAY_US = 24 * HOUR_US
FACTS = MessageFacts("api", "key_x", "d.test", "a@d.test", "A <a@d.test>", "b@x.test", "Hello", "<1@d.test>", 10)


async def test_hours_add_up_to_days_and_become_days(store: Store) -> None:
    """What is counted in an hour is in the sum of its day, before it is folded into it and after."""

    async def count(tx: Tx) -> None:
        await tx.messages.count(T0, {"accepted": 2, "took_ms_50": 1})
        await tx.messages.count(T0 + 1, {"accepted": 3})
        await tx.messages.count(T0 + HOUR_US, {"accepted": 4})

    await store.write(WS, count)
    day = T0 // DAY_US
    assert await store.read(WS, lambda tx: tx.messages.hours(500_000)) == [
        (500_000, "accepted", 5),
        (500_000, "took_ms_50", 1),
        (500_001, "accepted", 4),
    ]
    whole = [(day, "accepted", 9), (day, "took_ms_50", 1)]
    assert await store.read(WS, lambda tx: tx.messages.usage(day)) == whole
    assert await store.write(WS, lambda tx: tx.messages.fold(500_001)) >= 2
    assert await store.read(WS, lambda tx: tx.messages.hours(0)) == [(500_001, "accepted", 4)]
    assert await store.read(WS, lambda tx: tx.messages.usage(day)) == whole
    assert await store.read(WS2, lambda tx: tx.messages.hours(0)) == []


def _request(n: int, **other: Any) -> Request:
    facts: dict[str, Any] = {
        "id": request_id(T0 + n, f"req_{n:020x}"), "method": "POST", "operation": "sendMessage", "status": 202,
        "us": 1500, "actor": "key_1",
    }  # fmt: skip
    return Request(**(facts | other))


async def test_requests_are_listed_by_workspace_and_filtered(store: Store) -> None:
    """Newest first, page by page; a filter leaves out what does not fit; another workspace sees its own alone."""
    rows = [(RAW, _request(n, status=422 if n % 2 else 202)) for n in range(5)] + [(OTHER, _request(9, actor="key_9"))]
    await store.system_write(lambda tx: look.keep(tx, rows))
    await store.system_write(lambda tx: look.keep(tx, rows[:2]))  # a batch that is written twice is there once
    page = await store.read(WS, lambda tx: look.look(tx, ACTOR, limit=3))
    assert [r.at - T0 for r in page.requests] == [4, 3, 2] and page.requests[0].public_id == f"req_{4:020x}"
    rest = await store.read(WS, lambda tx: look.look(tx, ACTOR, limit=3, before=page.next))
    assert [r.at - T0 for r in rest.requests] == [1, 0] and rest.next is None
    failed = await store.read(WS, lambda tx: look.look(tx, ACTOR, failed=True, operation="sendMessage", by="key_1"))
    assert [r.status for r in failed.requests] == [422, 422]
    assert (await store.read(WS, lambda tx: look.look(tx, ACTOR, by="key_9"))).requests == []


async def test_old_and_too_many_requests_go(store: Store, monkeypatch: Any) -> None:
    """After seven days a request is gone, and of more than are kept the oldest go; a neighbour's stay."""
    rows = [(RAW, _request(n)) for n in range(6)] + [(OTHER, _request(0))]
    await store.system_write(lambda tx: look.keep(tx, rows))
    assert await store.write(WS, lambda tx: look.forget(tx, now=T0 + 7 * DAY_US + 2)) == 2
    monkeypatch.setattr(look, "KEPT_MOST", 3)
    assert await store.write(WS, lambda tx: look.forget(tx, now=T0)) == 1
    assert [r.at - T0 for r in (await store.read(WS, lambda tx: look.look(tx, ACTOR))).requests] == [5, 4, 3]
    other = Actor(WS2, "system", "test", frozenset(Permission))
    assert len((await store.read(WS2, lambda tx: look.look(tx, other))).requests) == 1


async def test_who_has_messages_to_index_is_found_in_one_look(store: Store) -> None:
    """Workspaces with unindexed messages of the span, and no others; an indexed one is found no more."""
    at = T0 // 1000
    early, late = (_message_id(at + n) for n in (0, 5_000))

    async def put(ws: WorkspaceId, *there: bytes) -> None:
        made = Workspace(ws, "A place", datetime(2026, 3, 1, tzinfo=UTC), WorkspaceSettings())
        facts = FACTS_ENCODER.encode(FACTS)
        await store.system_write(lambda tx: tx.workspaces.insert(made))
        await store.write(ws, lambda tx: tx.messages.insert([(id, T0, None, None, None, facts) for id in there]))

    await put(WS, early, late)
    await put(WS2, early)

    async def unindexed(since: bytes, below: bytes) -> set[bytes]:
        return set(await store.system_read(lambda tx: tx.workspaces.unindexed(since, below)))

    last = _message_id(at + 10_000)
    assert await unindexed(b"", last) == {RAW, OTHER}
    assert await unindexed(_message_id(at + 1_000), last) == {RAW}
    assert await unindexed(b"", early) == set()
    await store.write(WS2, lambda tx: index(tx, key=b"k" * 32, below=last, limit=10))
    assert await unindexed(b"", last) == {RAW}
    await store.write(WS, lambda tx: index(tx, key=b"k" * 32, below=late, limit=10))
    assert await unindexed(b"", last) == {RAW}
    await store.write(WS, lambda tx: index(tx, key=b"k" * 32, below=last, limit=10))
    assert await unindexed(b"", last) == set()


def _message_id(ms: int) -> bytes:
    return ms.to_bytes(6, "big") + b"m" * 10
