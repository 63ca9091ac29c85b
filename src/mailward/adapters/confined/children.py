"""The parent's side: some limited children, one piece of work at a time in each, replaced when they break."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from enum import Enum
from typing import Generic, TypeVar

import msgspec

from mailward.adapters.confined.wire import Ready, frame
from mailward.base.errors import Unavailable

T = TypeVar("T")

# A child that ended like this was not undone by the work in it.
_FROM_OUTSIDE = frozenset({-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP, 0})
_START_SECONDS = 30.0
_KEPT_ENVIRONMENT = ("PATH", "PYTHONPATH", "LANG", "LC_ALL")


class Cause(Enum):
    """What the work had too little of."""

    SECONDS = "seconds"
    CPU = "cpu"
    MEMORY = "memory"
    BROKE = "broke"


class Exhausted(Exception):
    """The work broke the process it was done in, or needed more than its limits."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.value)
        self.cause = cause


class _Broken(Exception):
    """The child is of no more use."""


class _Child:
    """One limited process and the stream to it."""

    def __init__(
        self, process: subprocess.Popen[bytes], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.process = process
        self._reader = reader
        self._writer = writer

    @classmethod
    async def start(cls, module: str, terms: bytes, away: Callable[[str], Unavailable]) -> _Child:
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(  # noqa: S603, ASYNC220  # fixed list, no shell; it takes a millisecond
                [sys.executable, "-m", module, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is for the supervisor
                env={k: v for k in _KEPT_ENVIRONMENT if (v := os.environ.get(k)) is not None}
                | {"MALLOC_ARENA_MAX": "1"},
            )
        ours.setblocking(False)
        child = cls(process, *await asyncio.open_connection(sock=ours))
        try:
            async with asyncio.timeout(_START_SECONDS):
                ready = msgspec.msgpack.decode(await child.ask(terms), type=Ready)
        except (TimeoutError, _Broken, msgspec.MsgspecError) as e:
            child.kill()
            raise away(type(e).__name__) from e
        if ready.error:
            child.kill()
            raise away(ready.error)
        return child

    async def ask(self, payload: bytes) -> bytes:
        """One frame there, one back. Raises _Broken."""
        try:
            self._writer.write(frame(payload))
            await self._writer.drain()
            size = int.from_bytes(await self._reader.readexactly(4), "big")
            return await self._reader.readexactly(size)
        except (OSError, asyncio.IncompleteReadError) as e:
            raise _Broken from e

    def kill(self) -> int:
        """End it now; how it ended."""
        self._writer.close()
        self.process.kill()
        return self.process.wait()

    async def ended(self) -> int:
        """How one ended that has broken: its own end says more than our signal, and is a moment away."""
        for _ in range(50):
            if self.process.poll() is not None:
                break
            await asyncio.sleep(0.01)
        return self.kill()


class Children(Generic[T]):
    """Has work done out of harm's way. Belongs to one event loop."""

    def __init__(
        self,
        module: str,
        terms: bytes,
        answer: type[T],
        *,
        count: int,
        seconds: float,
        away: Callable[[str], Unavailable],
    ) -> None:
        """`count` children running `module`; `seconds` is the longest a piece of work may take, whatever it does.

        `answer` is what a child's answers decode to, `away` the error when there is no child to ask.
        """
        self._module = module
        self._terms = terms
        self._answer = answer
        self._seconds = seconds
        self._away = away
        self._slots = asyncio.Semaphore(count)
        self._idle: list[_Child] = []
        self._busy: set[_Child] = set()
        self._closed = False
        self.replaced = 0

    async def start(self) -> None:
        """Have the first child ready, so that terms it cannot work under are known at once. Raises Unavailable."""
        self._idle.append(await self._child())

    async def _child(self) -> _Child:
        return await _Child.start(self._module, self._terms, self._away)

    async def ask(self, content: bytes) -> T:
        """What the work brought. Raises Exhausted for its own fault, Unavailable when there is nobody to ask."""
        async with self._slots:
            for last in (False, True):
                try:
                    return await self._once(content)
                except _Broken as broken:
                    how = broken.args[0] if broken.args else 0
                    if last or how not in _FROM_OUTSIDE:
                        raise Exhausted(_cause(how)) from None
        raise AssertionError("unreachable")

    async def _once(self, content: bytes) -> T:
        child = self._idle.pop() if self._idle else await self._child()
        if self._closed:
            child.kill()
            raise Unavailable("shutting_down", "The service is shutting down.")
        self._busy.add(child)
        try:
            async with asyncio.timeout(self._seconds):
                found = msgspec.msgpack.decode(await child.ask(content), type=self._answer)
        except TimeoutError:
            self._drop(child)
            raise Exhausted(Cause.SECONDS) from None
        except (_Broken, msgspec.MsgspecError):
            how = await child.ended()
            self._drop(child)
            raise _Broken(how) from None
        except asyncio.CancelledError:
            self._drop(child)
            raise
        self._busy.discard(child)
        self._idle.append(child)
        return found

    def _drop(self, child: _Child) -> None:
        self._busy.discard(child)
        self.replaced += 1
        child.kill()

    async def close(self) -> None:
        """End all children."""
        self._closed = True
        for child in (*self._idle, *self._busy):
            child.kill()
        self._idle.clear()
        self._busy.clear()


def _cause(code: int) -> Cause:
    if code in (-signal.SIGXCPU, -signal.SIGPROF):
        return Cause.CPU
    if code in (3, -signal.SIGABRT):
        return Cause.MEMORY
    return Cause.BROKE
