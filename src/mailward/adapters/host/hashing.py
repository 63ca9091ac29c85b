"""Threads for password hashing: few at once, and a short queue, so that guessing cannot exhaust the memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from mailward.base.errors import LimitReached

T = TypeVar("T")


class HashingThreads:
    """Runs slow work off the event loop.

    Argon2id takes 19 MiB a run: `threads` bounds the memory, `waiting` the patience.
    """

    def __init__(self, *, threads: int = 2, waiting: int = 64) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="hashing")
        self._room = threads + waiting
        self._busy = 0

    async def run(self, work: Callable[[], T]) -> T:
        """The result of `work`. LimitReached at once when the queue is full."""
        if self._busy >= self._room:
            raise LimitReached("busy", "Too many sign-ins at once; please try again in a moment.", retry_after=2.0)
        self._busy += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._busy -= 1

    def close(self) -> None:
        """Finish what runs, drop what waits."""
        self._pool.shutdown(wait=True, cancel_futures=True)
