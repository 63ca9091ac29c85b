"""A courier, jobs for it, and a server that answers by a list."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mailward.adapters.net.courier import CourierJob, CourierResult, PoolOptions, SmtpCourier
from mailward.policy.tls import TlsPolicy

CONTENT = b"From: a@a.test\r\nTo: b@b.test\r\nSubject: x\r\n\r\n.dot\r\nbody\r\n..\r\n"


def job(port: int, **changes: object) -> CourierJob:
    """A message for mx.b.test at 127.0.0.1."""
    base = CourierJob(
        "b.test", (("mx.b.test", "127.0.0.1", port),), TlsPolicy.OPPORTUNISTIC, "mail.a.test",
        "a@a.test", ("b@b.test",), CONTENT,
    )  # fmt: skip
    return base._replace(**changes)  # type: ignore[arg-type]


@asynccontextmanager
async def courier(**options: object) -> AsyncIterator[SmtpCourier]:
    """A courier that is closed afterwards; `options` as PoolOptions takes them."""
    it = SmtpCourier(PoolOptions(**options))  # type: ignore[arg-type]
    try:
        yield it
    finally:
        await it.close(0.1)


@asynccontextmanager
async def scripted(*replies: bytes | None, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that answers the n-th thing it hears with the n-th reply; None closes. What it heard is listed."""
    heard: list[bytes] = []
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            for i, reply in enumerate(replies):
                if i:
                    data = await reader.read(65536)
                    if not data:
                        break
                    heard.append(data)
                if reply is None:
                    break
                writer.write(reply)
                await writer.drain()
                if tls is not None and heard and heard[-1] == b"STARTTLS\r\n":
                    await writer.start_tls(tls)
            else:
                await reader.read(65536)
        except OSError:
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], heard
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def once(port: int, **changes: object) -> CourierResult:
    """One message by a courier of its own."""
    async with courier() as it:
        return await asyncio.wait_for(it.deliver(job(port, **changes)), 10)
