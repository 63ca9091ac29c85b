"""Telling other processes at once what they would find out by looking a moment later: LISTEN and NOTIFY.

A NOTIFY takes a lock at its commit that all other NOTIFYs wait for, so it never rides in
a transaction of the message path: what many commits have to say is gathered and said
once, over the listening connection, and its own commit waits for no disk. Nothing
depends on it being heard; whoever missed it polls.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from mailward.adapters.storage.postgres.connect import Connector, drop, part
from mailward.adapters.storage.postgres.counters import EPOCHS_MOVED
from mailward.base.errors import Unavailable

CHANNEL = "mailward"
# Commits that follow each other within this time are told of together, in seconds.
_GATHER_SECONDS = 0.02


class Notices:
    """One listening connection. `notice(topic)` is called on the loop for what another process announced."""

    def __init__(self, connector: Connector, topics: frozenset[str]) -> None:
        self._connector = connector
        self._topics = topics
        self._notice: Callable[[str], None] | None = None
        self._said: set[str] = set()
        self._something = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._db: Any = None
        self._closed = False

    def watch(self, notice: Callable[[str], None]) -> None:
        """Who is to be called."""
        self._notice = notice

    def announce(self, topics: set[str]) -> None:
        """Have the others told; of an epoch that moved, this process at once."""
        self._said |= topics
        self._something.set()
        if EPOCHS_MOVED in topics:
            self._tell(EPOCHS_MOVED)

    def start(self) -> None:
        """Listen from now on."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Stop."""
        self._closed = True
        while self._task is not None and not self._task.done():
            # A cancellation that meets an answer of the driver may be swallowed by it: say it again.
            self._task.cancel()
            await asyncio.wait([self._task], timeout=0.2)
        await part(self._db)

    async def _run(self) -> None:
        while not self._closed:
            try:
                await self._serve()
            except asyncio.CancelledError:
                raise
            except Exception:
                drop(self._db)
                self._db = None
            await asyncio.sleep(max(0.5, self._connector.pause))

    async def _serve(self) -> None:
        self._db = await self._connector.connect()
        await self._db.add_listener(CHANNEL, self._heard)
        # What was said while nobody listened is made up for.
        for topic in self._topics:
            self._tell(topic)
        while not self._closed:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(10.0):
                    await self._something.wait()
            if not self._something.is_set():
                # A dead peer shows only when spoken to.
                await self._say("SELECT 1")
                continue
            await asyncio.sleep(_GATHER_SECONDS)
            self._something.clear()
            said, self._said = self._said, set()
            batch = "; ".join(f"NOTIFY {CHANNEL}, '{topic}'" for topic in sorted(said & self._topics))
            if batch:
                await self._say(f"BEGIN; SET LOCAL synchronous_commit = off; {batch}; COMMIT")

    async def _say(self, batch: str) -> None:
        async with asyncio.timeout(5.0):
            await self._db.execute(batch)

    def _heard(self, connection: Any, pid: int, channel: str, payload: str) -> None:
        if pid != connection.get_server_pid() and payload in self._topics:
            self._tell(payload)

    def _tell(self, topic: str) -> None:
        if self._notice is not None:
            self._notice(topic)


__all__ = ["CHANNEL", "Notices", "Unavailable"]
