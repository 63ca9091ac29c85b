"""A courier, jobs for it, and a server that answers by a list."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias

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


class Peer:
    """What a `replying` server heard: command lines of all sessions, and of each message the recipients it took."""

    def __init__(self) -> None:
        self.port = 0
        self.sessions = 0
        self.heard: list[str] = []
        self.messages: list[list[str]] = []

    def count(self, verb: str) -> int:
        """How often a command was heard."""
        return sum(line.startswith(verb) for line in self.heard)


Reply: TypeAlias = str | Callable[[Peer, list[str]], str]


@asynccontextmanager
async def replying(**replies: Reply) -> AsyncIterator[Peer]:
    """A server that takes mail, but for the verbs (`ehlo`, `starttls`, `mail`, `rcpt`, `dot`) it has a reply for.

    A callable gets the peer and the recipients taken in this transaction. "" cuts the connection; what follows a 220 to
    STARTTLS is no TLS.
    """
    peer = Peer()
    tasks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        usual = {"ehlo": "250-mx\r\n250 PIPELINING", "data": "354 go", "dot": "250 2.0.0 queued", "starttls": "220 go"}
        taken: list[str] = []
        open_to = False

        def answer(verb: str) -> str:
            given = replies.get(verb, usual.get(verb, "250 2.0.0 ok"))
            said = given if isinstance(given, str) else given(peer, taken)
            writer.write(said.encode() + b"\r\n" if said else b"")
            if not said:
                raise ConnectionResetError
            return said

        writer.write(b"220 mx\r\n")
        while line := (await reader.readline()).decode().rstrip():
            peer.heard.append(line)
            verb = line[:4].strip().lower()
            if verb == "mail":
                taken, open_to = [], False
            if (verb == "rcpt" and not open_to) or (verb == "data" and not taken):
                writer.write(b"503 bad sequence\r\n")
                continue
            said = answer("starttls" if verb == "star" else verb)
            if verb == "star" and said.startswith("220"):
                raise ConnectionResetError
            if verb == "mail":
                open_to = said.startswith("2")
            if verb == "rcpt" and said.startswith("2"):
                taken.append(line[9:-1])
            if verb == "data" and said.startswith("354"):
                await reader.readuntil(b"\r\n.\r\n")
                if answer("dot").startswith("2"):
                    peer.messages.append(taken)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer.sessions += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await talk(reader, writer)
        except OSError:
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def once(port: int, **changes: object) -> CourierResult:
    """One message by a courier of its own."""
    async with courier() as it:
        return await asyncio.wait_for(it.deliver(job(port, **changes)), 10)
