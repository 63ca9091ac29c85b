"""Upkeep: what has to be done now and then, each task on its own interval, one failing task not stopping another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Task:
    """Something to do every `seconds`. It returns how much it did; while that is not 0 it runs again after `rest`."""

    name: str
    seconds: float
    act: Callable[[], Awaitable[int]]
    rest: float = 0.01


class Upkeep:
    """Runs tasks side by side until stopped."""

    def __init__(self, tasks: Sequence[Task], *, failed: Callable[[str, BaseException], None]) -> None:
        self._tasks = tasks
        self._failed = failed
        self._running: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin."""
        loop = asyncio.get_running_loop()
        self._running = [loop.create_task(self._keep(task)) for task in self._tasks]

    async def stop(self) -> None:
        """End; a task under way is cancelled, its transaction is whole or nothing."""
        for running in self._running:
            running.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _keep(self, task: Task) -> None:
        pause = task.seconds
        while True:
            try:
                done = await task.act()
                pause = task.rest if done else task.seconds
            except Exception as e:
                self._failed(task.name, e)
                pause = min(max(pause * 2, task.seconds), 300.0)
            await asyncio.sleep(pause)
