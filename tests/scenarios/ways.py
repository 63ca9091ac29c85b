"""TCP ways between parts, in a thread of their own: they can be cut so that nobody is told, and they balance doors."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Sequence
from typing import Any

_CHUNK = 1 << 16


class Way:
    """A listener on 127.0.0.1 that forwards to the first upstream (of 127.0.0.1) that answers, each in turn first."""

    def __init__(self, loop: asyncio.AbstractEventLoop, upstreams: Sequence[int]) -> None:
        self.upstreams = list(upstreams)
        self.port = 0
        self._loop = loop
        self._turn = 0
        self._open = asyncio.Event()
        self._open.set()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Nothing passes any more, in either direction, and nobody is told: a pulled cable."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def heal(self) -> None:
        """What is under way goes on."""
        self._loop.call_soon_threadsafe(self._open.set)

    def reset(self) -> None:
        """End every connection."""

        def end() -> None:
            for writer in self._writers:
                writer.transport.abort()

        self._loop.call_soon_threadsafe(end)

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self._open.wait()
            far = await self._connect()
            if far is None:
                return
            self._writers.add(far[1])
            try:
                await asyncio.wait(
                    [
                        asyncio.create_task(self._pump(reader, far[1])),
                        asyncio.create_task(self._pump(far[0], writer)),
                    ]
                )
            finally:
                self._writers.discard(far[1])
                far[1].close()
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        self._turn += 1
        for n in range(len(self.upstreams)):
            with contextlib.suppress(OSError):
                return await asyncio.open_connection(
                    "127.0.0.1", self.upstreams[(self._turn + n) % len(self.upstreams)]
                )
        return None

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(_CHUNK):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
        except OSError:
            writer.transport.abort()


class Ways:
    """Makes ways; a context manager."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="ways", daemon=True)
        self._made: list[Way] = []

    def __enter__(self) -> Ways:
        self._thread.start()
        return self

    def to(self, *upstreams: int) -> Way:
        """A way that is open."""
        way = Way(self._loop, upstreams)
        self._run(way.start())
        self._made.append(way)
        return way

    def __exit__(self, *_: object) -> None:
        async def end() -> None:
            for way in self._made:
                await way.stop()
            await asyncio.sleep(0.05)
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            await asyncio.sleep(0.05)

        self._run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _run(self, what: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(what, self._loop).result(20)
