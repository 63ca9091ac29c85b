"""The two drivers of `exchange()`: one that blocks, one that awaits. Nothing else differs between the clients."""

from __future__ import annotations

import ipaddress
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

import anyio
import httpx

from mailward_client.exchange import Lost, Operation, Reply, Retries, Sending, Waiting, exchange, prepare
from mailward_client.version import __version__

TIMEOUT = httpx.Timeout(30.0, connect=10.0)


class Page(Protocol):
    """A page of a list."""

    @property
    def data(self) -> list[Any]:
        """What is on it."""

    @property
    def next_cursor(self) -> str | None:
        """What asks for the page after it; None on the last."""


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise ValueError("the address of an installation is like https://mail.example.com")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise ValueError("a key is sent over https only, except to this machine itself")
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _headers(key: str) -> dict[str, str]:
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ValueError("an API key is one word of ASCII")
    return {"authorization": f"Bearer {key}", "user-agent": f"mailward-client/{__version__} python"}


def _reply(answer: httpx.Response) -> Reply:
    return Reply(answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, answer.content)


def _lost(error: httpx.TransportError) -> Lost:
    never_connected = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
    return Lost(error, sent=not isinstance(error, never_connected))


class Connection:
    """What a synchronous client stands on."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        retries: Retries | None = None,
        timeout: httpx.Timeout | float = TIMEOUT,
        verify: ssl.SSLContext | bool = True,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`url` is the installation's address; `transport` and `sleep` are for tests."""
        self._http = httpx.Client(
            base_url=_checked(url), headers=_headers(key), timeout=timeout, verify=verify, transport=transport
        )
        self._retries = retries or Retries()
        self._sleep = sleep

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _call(self, op: Operation, **request: Any) -> Any:
        going = exchange(op, prepare(op, **request), self._retries)
        try:
            step = next(going)
            while True:
                if isinstance(step, Waiting):
                    self._sleep(step.seconds)
                    step = going.send(None)
                else:
                    step = going.send(self._send(step))
        except StopIteration as end:
            return end.value

    def _send(self, sending: Sending) -> Reply | Lost:
        try:
            return _reply(
                self._http.request(
                    sending.method,
                    sending.path,
                    params=dict(sending.params),
                    headers=dict(sending.headers),
                    content=sending.content,
                )
            )
        except httpx.TransportError as e:
            return _lost(e)

    def _pages(self, page: Callable[[str | None], Page], cursor: str | None) -> Iterator[Any]:
        while True:
            found = page(cursor)
            yield from found.data
            cursor = found.next_cursor
            if cursor is None:
                return


class AsyncConnection:
    """What an asynchronous client stands on."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        retries: Retries | None = None,
        timeout: httpx.Timeout | float = TIMEOUT,
        verify: ssl.SSLContext | bool = True,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        """`url` is the installation's address; `transport` and `sleep` are for tests."""
        self._http = httpx.AsyncClient(
            base_url=_checked(url), headers=_headers(key), timeout=timeout, verify=verify, transport=transport
        )
        self._retries = retries or Retries()
        self._sleep = sleep

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def _call(self, op: Operation, **request: Any) -> Any:
        going = exchange(op, prepare(op, **request), self._retries)
        try:
            step = next(going)
            while True:
                if isinstance(step, Waiting):
                    await self._sleep(step.seconds)
                    step = going.send(None)
                else:
                    step = going.send(await self._send(step))
        except StopIteration as end:
            return end.value

    async def _send(self, sending: Sending) -> Reply | Lost:
        try:
            return _reply(
                await self._http.request(
                    sending.method,
                    sending.path,
                    params=dict(sending.params),
                    headers=dict(sending.headers),
                    content=sending.content,
                )
            )
        except httpx.TransportError as e:
            return _lost(e)

    async def _pages(self, page: Callable[[str | None], Awaitable[Page]], cursor: str | None) -> AsyncIterator[Any]:
        while True:
            found = await page(cursor)
            for item in found.data:
                yield item
            cursor = found.next_cursor
            if cursor is None:
                return
