"""A bell between the processes of one data folder: work was put into the store, somebody look.

Each worker has a Unix datagram socket in a folder all share; whoever commits work it does
not do itself, or changes what all keep in memory, rings all of them. A ring lost (a full
queue, a process that just died) costs a poll interval, never a message: the bell says
only "look".
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

# A worker that started a moment ago has looked into the store by itself.
_LIST_SECONDS = 1.0
_ENOUGH = 256


class Bell:
    """Rings the others, and hears them once `listen` was called. Belongs to one event loop."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A path through /proc keeps us under the 107 octets a socket address may have, however deep the folder lies.
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._out = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        self._ear: socket.socket | None = None
        self._names: list[str] = []
        self._listed = -1e9
        self._pending: set[bytes] = set()
        self._closed = False

    def listen(self, slot: int, heard: Callable[[bytes], None]) -> None:
        """Hear rings from now on, under this worker's number. `heard` gets the word that was rung."""
        name = f"{slot:04d}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._folder)
        ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        ear.bind(self._path(name))
        self._ear = ear
        asyncio.get_running_loop().add_reader(ear.fileno(), self._hear, ear, heard)

    def ring(self, word: bytes) -> None:
        """Tell all who listen, at the end of this round of the loop: however often it is rung, once."""
        if not self._pending:
            asyncio.get_running_loop().call_soon(self._send)
        self._pending.add(word)

    def close(self) -> None:
        """Hear and ring no more; what was rung before goes out."""
        self._send()
        self._closed = True
        if self._ear is not None:
            asyncio.get_running_loop().remove_reader(self._ear.fileno())
            name = Path(self._ear.getsockname()).name
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=self._folder)
            self._ear.close()
            self._ear = None
        self._out.close()
        os.close(self._folder)

    def _path(self, name: str) -> str:
        return f"/proc/self/fd/{self._folder}/{name}"

    def _hear(self, ear: socket.socket, heard: Callable[[bytes], None]) -> None:
        words = set()
        with contextlib.suppress(BlockingIOError):
            for _ in range(_ENOUGH):
                words.add(ear.recv(16))
        for word in words:
            heard(word)

    def _send(self) -> None:
        words, self._pending = self._pending, set()
        if self._closed:
            return
        now = time.monotonic()
        if now - self._listed > _LIST_SECONDS:
            self._names, self._listed = os.listdir(self._folder), now
        for name in self._names:
            for word in words:
                with contextlib.suppress(OSError):
                    self._out.sendto(word, self._path(name))


__all__ = ["Bell"]
