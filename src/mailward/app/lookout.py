"""Keeping up with what other processes change: a look a few times a second, and at once when told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger()

_SECONDS = 0.25


class Lookout:
    """Each of `looks` compares what is in memory with the store, and reads what is old. Belongs to the event loop."""

    def __init__(self, *looks: Callable[[], Awaitable[object]], seconds: float = _SECONDS) -> None:
        """`seconds` between two looks of our own accord."""
        self._looks = looks
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
            await self._look()

    async def _once(self) -> None:
        self._asked = False
        await self._look()

    async def _look(self) -> None:
        for look in self._looks:
            try:
                await look()
            except Exception as e:  # whatever it is: without this nothing that changes would ever be known here again
                log.warning("knowledge_stale", error=type(e).__name__, code=getattr(e, "code", ""))
