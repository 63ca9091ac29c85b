"""HTTPS on one listening socket, across certificates: a new server takes over newcomers, the old one keeps its own.

granian reads its certificate once. So a renewed one gets a server of its own on the same
socket, with the same queue of connections; when it serves, the old server leaves the
queue and goes on answering on the connections it has. After `PATIENCE` seconds those still
open are closed the gentle way: HTTP/2 is told to go away, HTTP/1.1 after its running answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

from mailward.edges.web.server import Application, Server, Tls

PATIENCE = 900.0

Files = Callable[[], contextlib.AbstractContextManager[tuple[Path, Path]]]
"""Gives chain and key under names that can be opened while the context is entered."""


class Renewing:
    """One HTTPS listener. `serve` with the first certificate and with each new one, `stop` at the end."""

    def __init__(self, application: Application, fd: int, *, patience: float = PATIENCE) -> None:
        """`fd` is a listening socket that stays the caller's."""
        self._application = application
        self._fd = fd
        self._patience = patience
        self._server: Server | None = None
        self._leaving: set[asyncio.Task[None]] = set()

    async def serve(self, files: Files) -> None:
        """Newcomers get this certificate from now on. Raises ssl.SSLError or OSError; then the one before stays."""
        sock = socket.socket(fileno=os.dup(self._fd))
        sock.setblocking(False)
        with files() as pair:
            server = Server(self._application, sock, Tls(*pair))
            await server.start()
        before, self._server = self._server, server
        if before is not None:
            before.leave()
            self._leaving.add(task := asyncio.get_running_loop().create_task(self._retire(before)))
            task.add_done_callback(self._leaving.discard)

    async def stop(self, grace: float = 10.0) -> None:
        """Accept no more, let running requests end for up to `grace` seconds, then close."""
        for task in self._leaving:
            task.cancel()
        await asyncio.gather(*self._leaving, return_exceptions=True)
        if self._server is not None:
            await self._server.stop(grace)

    async def _retire(self, server: Server) -> None:
        try:
            await asyncio.sleep(self._patience)
        finally:
            await server.stop(10.0)
