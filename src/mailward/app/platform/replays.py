"""Telling a webhook again."""

from __future__ import annotations

from collections.abc import Callable

from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.base.sources import Clock
from mailward.core.webhooks import enqueue
from mailward.policy.access import Actor


class Replays:
    """Implements `edges.web.dashboard.ports.Replays`."""

    def __init__(self, store: SqliteStore, clock: Clock, *, wake: Callable[[], None]) -> None:
        self._store = store
        self._clock = clock
        self._wake = wake

    async def replay(self, actor: Actor, webhook: str, event: str) -> None:
        """Post an event to an endpoint again."""
        now = self._clock.now()
        await self._store.write(actor.workspace, lambda tx: enqueue.replay(tx, actor, webhook, event, now=now))
        self._wake()
