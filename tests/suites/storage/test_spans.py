"""Spans of time at the edges of what an id can say."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from mailward.app.platform.messages import Messages
from mailward.app.platform.workspace import Workspaces
from mailward.app.store import Store
from mailward.core.submission.record import record
from mailward.core.workspaces.retention import Terms
from mailward.edges.web.schema.messages import MessageQuery
from mailward.edges.web.schema.workspace import EventQuery
from mailward.policy.access import Actor, Permission
from tests.conftest import MovingClock
from tests.core.conftest import KEY, T0, WS, WS_ID, submission

READER = Actor(WS_ID, "key", "key_1", frozenset(Permission))  # type: ignore[arg-type]
BEFORE = datetime(1, 1, 1, tzinfo=UTC)
AFTER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(("span", "found"), [
    ({"since": BEFORE}, 1), ({"until": BEFORE}, 0), ({"since": BEFORE, "until": AFTER}, 1), ({"since": AFTER}, 0),
    ({"since": datetime(1969, 12, 31, tzinfo=UTC), "until": datetime(1969, 12, 31, 12, tzinfo=UTC)}, 0),
])  # fmt: skip
async def test_a_span_may_begin_and_end_before_there_were_ids(
    store: Store, clock: MovingClock, span: dict[str, Any], found: int
) -> None:
    """Lists and searches of messages, and the events, hold what lies within it: before 1970 that is nothing."""
    item = submission(1)
    await store.write_item(record, WS, item, body=(item.id, KEY, b"Subject: x\r\n\r\nbody\r\n"))
    nothing: Any = SimpleNamespace()
    messages = Messages(store, None, nothing, now_us=lambda: T0, search_key=lambda _: bytes(32), wake=lambda: None)
    searches: list[dict[str, Any]] = [{}, {"to": "b@x.test"}]
    for words in searches:
        page = await messages.find(READER, MessageQuery(**span, **words))
        assert len(page.data) == found
    events = await Workspaces(store, clock, Terms(30, 30)).events(READER, EventQuery(**span))
    assert bool(events.data) == bool(found)
