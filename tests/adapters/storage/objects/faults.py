"""An HTTP proxy in front of the object store that fails as networks and stores do, one request at a time."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Request:
    """One request as it went by."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Cut(Exception):
    """Close the connection without an answer."""


Forward = Callable[[], Awaitable[bytes]]
Fault = Callable[[Request, Forward], Awaitable[bytes]]

SLOW_DOWN = (
    b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)


def answer(status: str, body: bytes = b"") -> bytes:
    """A whole HTTP answer."""
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body


def says(status: str, body: bytes = b"") -> Fault:
    """Answer in the store's place; the store hears nothing."""

    async def fault(_: Request, __: Forward) -> bytes:
        return answer(status, body)

    return fault


async def answer_lost(_: Request, forward: Forward) -> bytes:
    """The store does what it was asked, and the answer never arrives."""
    await forward()
    raise Cut


async def never(_: Request, __: Forward) -> bytes:
    """No answer until the client gives up."""
    await asyncio.sleep(3600)
    raise Cut


async def cut(_: Request, __: Forward) -> bytes:
    """The connection breaks before the store heard anything."""
    raise Cut


async def corrupt(_: Request, forward: Forward) -> bytes:
    """The answer comes with another body of the same length."""
    head, blank, body = (await forward()).partition(b"\r\n\r\n")
    return head + blank + bytes(b ^ 0x55 for b in body)


async def flipped(_: Request, forward: Forward) -> bytes:
    """The last octet of the answer is wrong."""
    whole = await forward()
    return whole[:-1] + bytes([whole[-1] ^ 1])


def late(seconds: float) -> Fault:
    """An honest answer after a while; the store hears the request even when the client has left."""

    async def fault(_: Request, forward: Forward) -> bytes:
        async def go() -> bytes:
            await asyncio.sleep(seconds)
            return await forward()

        task = asyncio.create_task(go())
        _late.add(task)
        task.add_done_callback(_late.discard)
        return await asyncio.shield(task)

    return fault


_late: set[asyncio.Task[bytes]] = set()


class FaultProxy:
    """Forwards to an upstream on 127.0.0.1; faults queued for a method meet its next requests, in order."""

    def __init__(self, upstream: int, *, tls: ssl.SSLContext | None = None) -> None:
        self._upstream = upstream
        self._tls = tls
        self._faults: dict[str, deque[Fault]] = {}
        self._always: dict[str, Fault] = {}
        self.requests: list[Request] = []
        self.under_way = 0
        self.most_at_once = 0
        self.cut_body_of: str | None = None
        """Method whose next request body is cut off in the middle."""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    def then(self, method: str, *faults: Fault) -> None:
        """Queue faults for the next requests of a method."""
        self._faults.setdefault(method, deque()).extend(faults)

    def always(self, method: str, fault: Fault | None) -> None:
        """Every request of a method meets this fault; None ends it."""
        if fault is None:
            self._always.pop(method, None)
        else:
            self._always[method] = fault

    def count(self, method: str) -> int:
        """Requests of a method so far."""
        return sum(r.method == method for r in self.requests)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0, limit=1 << 26, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        tasks: list[asyncio.Task[None] | asyncio.Task[bytes]] = [*self._tasks, *_late]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._server.wait_closed()

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._connection(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._exchange(reader, writer):
                pass
        except (Cut, ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            await _close(writer)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; True when the connection stays."""
        request = await self._request(reader)
        self.requests.append(request)
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        try:
            fault = self._fault(request.method)
            forward = self._forwarder(request)
            whole = await (fault(request, forward) if fault else forward())
        finally:
            self.under_way -= 1
        writer.write(whole)
        await writer.drain()
        return b"connection: close" not in whole.partition(b"\r\n\r\n")[0].lower()

    async def _request(self, reader: asyncio.StreamReader) -> Request:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip().split("\r\n")
        method, path, _ = first.split(" ")
        headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        if self.cut_body_of == method:
            self.cut_body_of = None
            await reader.readexactly(length // 2)
            self.requests.append(Request(method, path, headers, b""))
            raise Cut
        return Request(method, path, headers, await reader.readexactly(length))

    def _fault(self, method: str) -> Fault | None:
        queued = self._faults.get(method)
        return queued.popleft() if queued else self._always.get(method)

    def _forwarder(self, request: Request) -> Forward:
        async def forward() -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._upstream)
            headers = {**request.headers, "connection": "close"}
            lines = "".join(f"{k}: {v}\r\n" for k, v in headers.items())
            writer.write(f"{request.method} {request.path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + request.body)
            try:
                return await reader.read()
            finally:
                await _close(writer)

        return forward


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
