"""The public door for secrets that somebody found."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from mailward.app.store import Store
from mailward.base.sources import Clock
from mailward.core.identity.leaks import report_leak

# Longer than acting on a report takes, so that the time of an answer tells nothing.
_ANSWER_SECONDS = 0.25


class Leaks:
    """Implements `edges.web.ports.Leaks`. `changed` is called when a credential may be revoked."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        changed: Callable[[], None],
        answer_seconds: float = _ANSWER_SECONDS,
    ) -> None:
        self._store = store
        self._clock = clock
        self._changed = changed
        self._answer_seconds = answer_seconds

    async def report(self, token: str, where: str, address: str = "") -> None:
        """Act on it. Nothing comes back, and it takes the same time whatever it was."""
        over = time.monotonic() + self._answer_seconds
        now = self._clock.now()
        found = await self._store.system_write(
            lambda tx: report_leak(tx, token.strip(), where=where, address=address, now=now)
        )
        if found is not None:
            self._changed()
        await asyncio.sleep(max(0.0, over - time.monotonic()))
