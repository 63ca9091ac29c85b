"""The feed of a workspace's events, and the times a message may be moved to, on every store."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
import pytest

from mailward.app.platform.workspace import Workspaces
from mailward.app.store import Store, Tx
from mailward.base.errors import Invalid
from mailward.base.ids import WorkspaceId
from mailward.core.messages import change
from mailward.core.messages.dated import redated
from mailward.core.messages.find import status_of
from mailward.core.workspaces.retention import Terms
from mailward.edges.web.schema.workspace import EventQuery
from mailward.policy.access import Actor, Permission
from mailward.protocol.message import fields
from tests.core.conftest import T0, WS_ID, put, submission

ACTOR = Actor(WorkspaceId(WS_ID), "system", "test", frozenset(Permission))
MINUTE = 60_000_000


async def timeline(rows: list[tuple[bytes, int, str, str]], tx: Tx) -> None:
    """Add moments to messages' timelines."""
    await tx.messages.timeline_add_all(rows)


async def test_a_page_holds_as_many_events_as_asked_for(store: Store, clock: Any) -> None:
    """One at a time or all at once, the feed tells the same events in the same order, none twice."""
    for n in range(3):
        await put(store, submission(n, "ann@x.test", created=T0 + n * 1000))
        message = submission(n, created=T0 + n * 1000).id
        moments = [(message, T0 + n * 1000 + k, f"moment_{k}", "{}") for k in (1, 2)]
        await store.write(WS_ID, partial(timeline, moments))
    area = Workspaces(store, clock, Terms(30, 30))
    whole = (await area.events(ACTOR, EventQuery(limit=50))).data
    assert len(whole) == 9
    one: list[Any] = []
    cursor = None
    for _ in range(12):
        page = await area.events(ACTOR, EventQuery(limit=1, cursor=cursor))
        assert len(page.data) <= 1
        one += page.data
        cursor = page.next_cursor
        if cursor is None:
            break
    assert [e.id for e in one] == [e.id for e in whole]
    accepted = await area.events(ACTOR, EventQuery(limit=2, type="accepted"))
    assert [e.type for e in accepted.data] == ["accepted", "accepted"]


async def test_a_message_is_not_moved_to_a_time_that_is_over(store: Store) -> None:
    """Nothing happens but a refusal; the present, by a clock that is a little late, sends it now."""
    await put(store, submission(1, "ann@x.test", created=T0))
    message = submission(1, created=T0).id

    async def move(due: int) -> int:
        return await store.write(WS_ID, lambda tx: change.reschedule(tx, ACTOR, message, due=due, now=T0))

    with pytest.raises(Invalid):
        await move(T0 - 2 * MINUTE)
    assert await store.read(WS_ID, lambda tx: tx.messages.timeline(message)) == []
    assert await move(T0 - MINUTE // 2) == 1


async def test_a_message_moved_to_another_time_says_that_time(store: Store) -> None:
    """Later, earlier and now: its own time is the one its copies wait for, so nobody reads the first one on."""
    first = T0 + 60 * MINUTE
    given = submission(1, "ann@x.test", due=first)
    await put(store, msgspec.structs.replace(given, facts=msgspec.structs.replace(given.facts, due=first)))
    message = given.id

    async def moved(to: int) -> tuple[int, str]:
        await store.write(WS_ID, lambda tx: change.reschedule(tx, ACTOR, message, due=to, now=T0))
        found = await store.read(WS_ID, lambda tx: tx.messages.get(message))
        (copy,) = (await store.read(WS_ID, lambda tx: tx.deliveries.of([message])))[message]
        assert found is not None
        assert copy.due == found.facts.due
        return found.facts.due, status_of(found, [copy], T0 + 70 * MINUTE)

    assert await moved(T0 + 90 * MINUTE) == (T0 + 90 * MINUTE, "scheduled")
    assert await moved(T0 + 30 * MINUTE) == (T0 + 30 * MINUTE, "queued")
    assert await moved(T0 - MINUTE // 2) == (T0, "queued")


async def test_the_date_is_that_of_the_time_a_message_was_moved_to(store: Store) -> None:
    """As long as its time has not come. Later copies of it may be out, and all are to say the same."""
    first = T0 + 60 * MINUTE
    given = submission(1, "ann@x.test", due=first)
    await put(store, msgspec.structs.replace(given, facts=msgspec.structs.replace(given.facts, due=first)))

    async def date(to: int, now: int) -> tuple[bytes, bytes]:
        await store.write(WS_ID, lambda tx: change.reschedule(tx, ACTOR, given.id, due=to, now=now))
        found = await store.read(WS_ID, lambda tx: tx.messages.get(given.id))
        assert found is not None
        own = b"DATE: x\r\nDate: Sat, 01 Jan 2000 00:00:00 +0000\r\n\r\nx"
        assert redated(b"A: 1\r\n" + own, found.facts) == b"A: 1\r\n" + own
        at = fields.date(datetime.fromtimestamp(first / 1e6, UTC)).encode()
        alone = redated(b"Date: %b\r\n\r\n" % at, found.facts)
        assert len(alone) == len(at) + 10 and alone != b"Date: %b\r\n\r\n" % at
        head, _, body = redated(b"A: 1\r\nDate: %b\r\nB: 2\r\n\r\n\r\nDate: %b\r\n" % (at, at), found.facts).partition(
            b"\r\n\r\n"
        )
        assert body == b"\r\nDate: %b\r\n" % at
        return head, fields.date(datetime.fromtimestamp(to / 1e6, UTC)).encode()

    for to, now in ((T0 + 90 * MINUTE, T0), (T0 + 30 * MINUTE, T0)):
        head, said = await date(to, now)
        assert head == b"A: 1\r\nDate: %b\r\nB: 2" % said
    assert (await date(T0 + 50 * MINUTE, T0 + 40 * MINUTE))[0] == head


async def test_a_moment_says_its_facts_by_name(store: Store, clock: Any) -> None:
    """Whose copy it was, times as the API writes them and no field for what is empty, not a text of JSON."""
    await put(store, submission(1, "ann@x.test", "bob@x.test", created=T0))
    message = submission(1, created=T0).id
    bounce = '{"copy": 1, "kind": "hard", "says": "No such mailbox.", "text": "", "report": "r1"}'
    await store.write(WS_ID, partial(timeline, [(message, T0 + 1, "bounced_late", bounce)]))
    await store.write(WS_ID, partial(timeline, [(message, T0 + 2, "cancelled", "{}")]))
    await store.write(WS_ID, lambda tx: change.reschedule(tx, ACTOR, message, due=T0 + MINUTE, now=T0 + 3))
    page = await Workspaces(store, clock, Terms(30, 30)).events(ACTOR, EventQuery(limit=50))
    told = {e.type: (e.recipient, e.facts) for e in page.data}
    assert told["bounced_late"] == ("bob@x.test", {"kind": "hard", "says": "No such mailbox.", "report": "r1"})
    assert told["cancelled"] == (None, {})
    moved_to = datetime.fromtimestamp((T0 + MINUTE) / 1e6, UTC)
    assert told["rescheduled"] == (None, {"scheduled_at": moved_to.isoformat().replace("+00:00", "Z")})
