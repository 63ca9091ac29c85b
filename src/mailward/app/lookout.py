"""Keeping up with what other processes change: a look a few times a second, and at once when told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog

from mailward.base.errors import Unavailable

log = structlog.get_logger()

_SECONDS = 0.25


class Lookout:
    """`look` compares what is in memory with the store, and reads what is old. Belongs to the event loop."""

    def __init__(self, look: Callable[[], Awaitable[object]], *, seconds: float = _SECONDS) -> None:
        """`seconds` between two looks of our own accord."""
        self._look = look
        self._seconds = seconds
        self._asked = False
        self._tasks: set[asyncio.Task[None]] = set()

    def soon(self) -> None:
        """Something changed. However often this is said before the look begins, it is one; what changes after that
        asks for another."""
        if self._asked:
            return
        self._asked = True
        self._tasks.add(task := asyncio.get_running_loop().create_task(self._once()))
        task.add_done_callback(self._tasks.discard)

    async def run(self) -> None:
        """Until cancelled: a notice may be lost."""
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await self._look()
            except Unavailable as e:
                log.warning("knowledge_stale", code=e.code)

    async def _once(self) -> None:
        self._asked = False
        with contextlib.suppress(Unavailable):  # the next look of our own accord will tell
            await self._look()
