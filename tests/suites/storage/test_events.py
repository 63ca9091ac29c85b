"""The feed of a workspace's events, and the times a message may be moved to, on every store."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from mailward.app.platform.workspace import Workspaces
from mailward.app.store import Store, Tx
from mailward.base.errors import Invalid
from mailward.base.ids import WorkspaceId
from mailward.core.messages import change
from mailward.core.workspaces.retention import Terms
from mailward.edges.web.schema.workspace import EventQuery
from mailward.policy.access import Actor, Permission
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
