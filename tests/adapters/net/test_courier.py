"""The courier against real servers: Postfix's smtp-sink, our sink, and servers that misbehave on purpose."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mailward.adapters.net import connection, peer_tls
from mailward.adapters.net.connection import Connection
from mailward.adapters.net.courier import PoolOptions, SmtpCourier
from mailward.adapters.net.pool import Destination
from mailward.adapters.net.sink import SmtpSink
from mailward.base.outcome import Done, PermFail, TempFail
from mailward.policy.tls import TlsPolicy
from mailward.protocol.smtp.client import SmtpClient
from mailward.protocol.smtp.client_mail import WireContent, wire_content
from tests.adapters.net.courier_rig import CONTENT, courier, job, once, scripted

SINK = shutil.which("smtp-sink", path="/usr/sbin:/usr/bin:/sbin")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@asynccontextmanager
async def smtp_sink(*args: str) -> AsyncIterator[int]:
    if SINK is None:
        raise FileNotFoundError("smtp-sink is not installed; run tools/install-test-deps.sh")
    port = free_port()
    process = await asyncio.create_subprocess_exec(SINK, "-u", "nobody", *args, f"127.0.0.1:{port}", "64")
    try:
        for _ in range(200):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                await writer.wait_closed()
                break
            except OSError:
                await asyncio.sleep(0.02)
        yield port
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_sink_gets_the_bytes() -> None:
    """What is delivered is what was given, dots and all, and a second message uses the same connection."""
    got: list[tuple[str, tuple[str, ...], bytes]] = []
    sink = SmtpSink(on_message=lambda *m: got.append(m))
    port = await sink.listen()
    async with courier() as it:
        first = await it.deliver(job(port))
        second = await it.deliver(job(port, content=(b".", b"\r\n.\r", b"\n..x")))
    await sink.close()
    assert isinstance(first.outcomes[0], Done)
    assert "open connection" in second.why
    assert got == [
        ("a@a.test", ("b@b.test",), CONTENT),
        ("a@a.test", ("b@b.test",), b".\r\n.\r\n..x\r\n"),
    ]
    assert (first.ip, first.host, first.tls) == ("127.0.0.1", "mx.b.test", None)
    assert any(who == "C" and text == f"<{len(CONTENT)} bytes>" for _, who, text in first.dialogue)
    assert not any("body" in text for _, _, text in first.dialogue)


@pytest.mark.parametrize("args", [(), ("-p",), ("-e",), ("-8",), ("-E",), ("-P",)])
async def test_smtp_sink_variants(args: tuple[str, ...]) -> None:
    """Postfix's sink takes the message with and without pipelining, ESMTP, 8BITMIME, behind a PIX."""
    async with smtp_sink(*args) as port:
        result = await once(port, recipients=("b@b.test", "c@b.test"))
    assert [type(o) for o in result.outcomes] == [Done, Done]


async def test_many_messages_share_few_connections() -> None:
    """Waiting messages flow onto freed connections; the limit of connections is kept."""
    async with smtp_sink("-c") as port, courier(start_connections=3.0, max_connections=3.0) as it:
        results = await asyncio.gather(*(it.deliver(job(port)) for _ in range(300)))
        assert it._pool is not None
        assert len(it._pool.connections) <= 3
    assert all(isinstance(r.outcomes[0], Done) for r in results)


@pytest.mark.parametrize("stage", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "."])
@pytest.mark.parametrize("flag", ["-q", "-Q", "-r", "-f"])
async def test_failure_at_each_stage(flag: str, stage: str) -> None:
    """A drop, a 421, a 4xx is tried again; a 5xx about the message is final, about the session it is not."""
    async with smtp_sink(flag, f"{stage},HELO" if stage == "EHLO" else stage) as port:
        result = await once(port)
    expected = PermFail if flag == "-f" and stage not in ("CONNECT", "EHLO") else TempFail
    assert isinstance(result.outcomes[0], expected), result


async def test_lost_after_final_dot_is_not_sent_again() -> None:
    """A drop between the final dot and its reply ends the attempt: no second copy, though another host exists."""
    sink = SmtpSink()
    other = await sink.listen()
    async with smtp_sink("-q", ".") as port:
        hosts = (("mx1.b.test", "127.0.0.1", port), ("mx2.b.test", "127.0.0.1", other))
        result = await once(port, hosts=hosts)
    await sink.close()
    assert isinstance(result.outcomes[0], TempFail)
    assert result.outcomes[0].reason == "connection_lost"
    assert sink.messages == 0


@pytest.mark.parametrize("flag", ["-q", "-Q"])
async def test_next_host(flag: str) -> None:
    """A host that fails before the content leads to the next one, and the record says so."""
    sink = SmtpSink()
    other = await sink.listen()
    async with smtp_sink(flag, "MAIL") as port:
        hosts = (
            ("mx0.b.test", "127.0.0.1", free_port()),
            ("mx1.b.test", "127.0.0.1", port),
            ("mx2.b.test", "127.0.0.1", other),
        )
        result = await once(port, hosts=hosts)
    await sink.close()
    assert isinstance(result.outcomes[0], Done)
    assert result.host == "mx2.b.test"
    assert "mx0.b.test" in result.why and "mx1.b.test" in result.why


LIMITED = (b"220 ok\r\n", b"250-mx2\r\n250 SIZE 10\r\n")
ABLE = (b"220 ok\r\n", b"250-mx\r\n250 SIZE 0\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n", b"250 queued\r\n")


async def test_a_lesser_host_speaks_for_no_better_one_that_is_away() -> None:
    """What a spare host cannot take, by what it offers, waits for the host that did not answer: time and again."""
    async with scripted(*LIMITED) as (port, heard), courier() as it:
        hosts = (("mx1.b.test", "127.0.0.1", free_port()), ("mx2.b.test", "127.0.0.1", port))
        first = await asyncio.wait_for(it.deliver(job(port, hosts=hosts)), 10)
        again = await asyncio.wait_for(it.deliver(job(port, hosts=hosts)), 10)
    for result in (first, again):
        outcome = result.outcomes[0]
        assert isinstance(outcome, TempFail), outcome
        assert outcome.reason == "connection_failed"
        assert "message_too_large" in result.why
    assert not any(b"MAIL" in line for line in heard)


async def test_what_one_host_cannot_take_another_may() -> None:
    """A host that offers too little leads to the next; only what all of them cannot take is given back."""
    async with scripted(*LIMITED) as (port, _), scripted(*ABLE) as (other, _), courier() as it:
        hosts = (("mx1.b.test", "127.0.0.1", port), ("mx2.b.test", "127.0.0.1", other))
        taken = await asyncio.wait_for(it.deliver(job(port, hosts=hosts)), 10)
        refused = await asyncio.wait_for(it.deliver(job(port, route_key="c.test")), 10)
    assert isinstance(taken.outcomes[0], Done), taken
    assert taken.host == "mx2.b.test"
    assert isinstance(refused.outcomes[0], PermFail)
    assert refused.outcomes[0].reason == "message_too_large"


async def test_dead_host_is_remembered() -> None:
    """A host that refused the connection is not tried for each message."""
    async with courier() as it:
        port = free_port()
        first = await it.deliver(job(port))
        second = await it.deliver(job(port))
    assert isinstance(first.outcomes[0], TempFail) and first.outcomes[0].reason == "connection_failed"
    assert isinstance(second.outcomes[0], TempFail)
    assert "not tried" in second.why


@pytest.mark.parametrize(
    "replies",
    [
        (b"garbage\r\n",),
        (b"999 what\r\n",),
        (b"250 wrong greeting\r\n",),
        (b"220-a\r\n250 b\r\n",),
        (b"220 ok\r\n", b"250-" + b"x" * 5000 + b"\r\n"),
        (b"220 ok\r\n", b"250-x\r\n" * 200),
        (b"220 ok\r\n", b"250 mx\r\n", b"250 ok\r\n250 surplus\r\n250 again\r\n", b"250 ok\r\n"),
        (b"220 ok\r\n", b"250 mx\r\n", b"250 ok\r\n", b"250 ok\r\n", b"200 not 354\r\n"),
        (b"220 ok\r\n", b"250 mx\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n", b"354 again\r\n"),
    ],
)
async def test_malformed_replies(replies: tuple[bytes, ...]) -> None:
    """Whatever is not SMTP is a protocol error that is tried again later."""
    async with scripted(*replies) as (port, _):
        result = await once(port)
    outcome = result.outcomes[0]
    assert isinstance(outcome, TempFail)
    assert outcome.reason == "protocol_error"


async def test_one_bad_recipient() -> None:
    """Each recipient has its own outcome."""
    replies = (
        b"220 ok\r\n",
        b"250-mx\r\n250 PIPELINING\r\n",
        b"250 ok\r\n550 5.1.1 no such user\r\n250 ok\r\n354 go\r\n",
    )
    async with scripted(*replies, b"250 queued\r\n") as (port, heard):
        result = await once(port, recipients=("x@b.test", "y@b.test"))
    first, second = result.outcomes
    assert isinstance(first, PermFail) and first.reason == "bad_mailbox"
    assert isinstance(second, Done)
    assert heard[1].count(b"\r\n") == 4


async def test_pipelined_data_without_recipient() -> None:
    """354 although no recipient was accepted: a lone dot and not one byte of content goes out."""
    replies = (b"220 ok\r\n", b"250-mx\r\n250 PIPELINING\r\n", b"250 ok\r\n550 no\r\n354 go\r\n", b"554 nothing\r\n")
    async with scripted(*replies) as (port, heard):
        result = await once(port)
    assert isinstance(result.outcomes[0], PermFail)
    assert heard[2] == b".\r\n"


async def test_stale_connection_is_replaced() -> None:
    """A kept connection that the server dropped costs no attempt."""
    ok = (b"220 ok\r\n", b"250 mx\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n", b"250 queued\r\n")
    async with scripted(*ok, None) as (port, _), courier() as it:
        first = await it.deliver(job(port))
        second = await it.deliver(job(port))
    assert isinstance(first.outcomes[0], Done)
    assert isinstance(second.outcomes[0], Done)


async def test_silence_times_out() -> None:
    """A server that says nothing is given up."""
    async with scripted(b"") as (port, _), courier(timeout_scale=0.001) as it:
        result = await asyncio.wait_for(it.deliver(job(port)), 10)
    assert isinstance(result.outcomes[0], TempFail)
    assert result.outcomes[0].reason == "timeout"


@asynccontextmanager
async def slow_reader(pause: float, answer_after: float = 0.0) -> AsyncIterator[int]:
    """A server that offers little room, takes 64 KiB of content each `pause` seconds, and answers late."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        writer.write(b"220 ok\r\n")
        try:
            for reply in ABLE[1:-1]:
                await reader.readline()
                writer.write(reply)
            tail = b""
            while not tail.endswith(b"\r\n.\r\n"):
                await asyncio.sleep(pause)
                got = await reader.read(65536)
                if not got:
                    return
                tail = (tail + got)[-5:]
            await asyncio.sleep(answer_after)
            writer.write(ABLE[-1])
            await reader.read()
        except OSError:
            pass
        finally:
            writer.transport.abort()

    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        listening.bind(("127.0.0.1", 0))
        server = await asyncio.start_server(serve, sock=listening)
        try:
            yield listening.getsockname()[1]
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


LARGE = b"From: a@a.test\r\n\r\n" + (b"x" * 70 + b"\r\n") * 120_000


async def test_large_content_over_a_slow_link() -> None:
    """What goes on is not cut, however long it takes; nor is the wait for the answer to the final dot shortened."""
    async with slow_reader(0.03, 3.5) as port, courier(timeout_scale=0.005, stall=2.0) as it:
        started = asyncio.get_running_loop().time()
        result = await asyncio.wait_for(it.deliver(job(port, content=LARGE)), 60)
        assert asyncio.get_running_loop().time() - started > 5.0
    assert isinstance(result.outcomes[0], Done), result


@pytest.mark.parametrize(
    ("pause", "options"),
    [
        (30.0, {"stall": 1.0}),
        (0.2, {"stall": 0.5, "slowest": 1e8}),
        (0.2, {"sending": 1.0}),
    ],
)
async def test_who_takes_content_too_slowly_is_given_up(pause: float, options: dict[str, float]) -> None:
    """A server that stops reading, or reads for ever, ends the attempt; it is said where."""
    async with slow_reader(pause) as port, courier(**options) as it:
        result = await asyncio.wait_for(it.deliver(job(port, content=LARGE)), 20)
    outcome = result.outcomes[0]
    assert isinstance(outcome, TempFail), outcome
    assert outcome.reason == "timeout"
    assert "sending the content" in outcome.text


async def test_silence_after_the_final_dot_is_called_that() -> None:
    """Content that left at once is waited for by the time of the final dot."""
    async with scripted(*ABLE[:-1], b"") as (port, _), courier(final_dot=0.2) as it:
        result = await asyncio.wait_for(it.deliver(job(port)), 10)
    assert isinstance(result.outcomes[0], TempFail)
    assert result.outcomes[0].text == "no reply after the final dot"


async def test_who_answers_before_the_content_was_sent_gets_no_second_message() -> None:
    """An answer in the middle of the content counts for the message, and its session is over."""
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.write(b"220 ok\r\n")
        try:
            for reply in ABLE[1:-1]:
                await reader.readline()
                writer.write(reply)
            writer.write(b"552 5.3.4 too large\r\n")
            await asyncio.sleep(1)
        except OSError:
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, courier() as it:
        port = server.sockets[0].getsockname()[1]
        for _ in range(2):
            result = await asyncio.wait_for(it.deliver(job(port, content=LARGE)), 10)
            assert isinstance(result.outcomes[0], PermFail), result
    assert connections == 2


async def test_dripping_is_no_answer() -> None:
    """A server that says its greeting an octet at a time, for ever, is given up like one that says nothing."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for at in itertools.count():
                writer.write(b"220-\r\n"[at % 6 :][:1])
                await writer.drain()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(), 0.05)
                    break
        except OSError:
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    async with server, courier(timeout_scale=0.001) as it:
        result = await asyncio.wait_for(it.deliver(job(server.sockets[0].getsockname()[1])), 10)
    assert isinstance(result.outcomes[0], TempFail)
    assert result.outcomes[0].reason == "timeout"


async def test_who_waits_behind_a_strange_server_is_served() -> None:
    """A session that has to end after its message makes room for the next message."""
    replies = (b"220 ok\r\n", b"250 mx\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n", b"250 queued\r\n250 more\r\n")
    async with scripted(*replies) as (port, _), courier(start_connections=1, max_connections=1) as it:
        results = await asyncio.wait_for(asyncio.gather(*(it.deliver(job(port)) for _ in range(3))), 10)
    assert [type(r.outcomes[0]) for r in results] == [Done, Done, Done]


async def test_a_refused_reset_costs_the_next_message_nothing() -> None:
    """Who refuses RSET gets the next message over a new connection, where it is delivered."""
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        writer.write(b"220 ok\r\n")
        try:
            while line := await reader.readline():
                if line.startswith(b"RSET"):
                    writer.write(b"550 no\r\n")
                elif b"<x@" in line:
                    writer.write(b"550 5.1.1 no such user\r\n")
                elif line == b"DATA\r\n":
                    writer.write(b"354 go\r\n")
                    await reader.readuntil(b"\r\n.\r\n")
                    writer.write(b"250 queued\r\n")
                else:
                    writer.write(b"250 ok\r\n")
        except OSError:
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, courier() as it:
        port = server.sockets[0].getsockname()[1]
        refused = await asyncio.wait_for(it.deliver(job(port, recipients=("x@b.test",))), 10)
        taken = await asyncio.wait_for(it.deliver(job(port)), 10)
    assert isinstance(refused.outcomes[0], PermFail)
    assert isinstance(taken.outcomes[0], Done), taken
    assert connections == 2


async def test_the_choice_is_that_of_the_host() -> None:
    """The record counts a host by its place, be it the last one that failed, or one whose connection was open."""
    async with scripted(b"421 busy\r\n") as (port, _):
        failed = await once(port)
        sink = SmtpSink()
        other = await sink.listen()
        hosts = (("mx1.b.test", "127.0.0.1", port), ("mx2.b.test", "127.0.0.1", other))
        async with courier() as it:
            first = await asyncio.wait_for(it.deliver(job(port, hosts=hosts)), 10)
            second = await asyncio.wait_for(it.deliver(job(port, hosts=hosts)), 10)
        await sink.close()
    assert failed.why.startswith("choice 1 of 1,")
    assert first.why.startswith("choice 2 of 2,")
    assert second.why.startswith("choice 2 of 2,")
    assert "open connection" in second.why


async def test_a_message_that_requires_tls_takes_no_connection_in_clear(tmp_path: Path) -> None:
    """An open connection in clear, left of a handshake that failed, is not for it: a new one may be encrypted."""
    context, cafile = authority(tmp_path, "mx.b.test")
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        mine = connections
        writer.write(b"220 ok\r\n")
        try:
            while line := await reader.readline():
                if line.startswith(b"EHLO"):
                    writer.write(b"250-mx\r\n250-REQUIRETLS\r\n250 STARTTLS\r\n")
                elif line == b"STARTTLS\r\n":
                    writer.write(b"220 go\r\n")
                    if mine == 1:
                        break
                    await writer.start_tls(context)
                elif line == b"DATA\r\n":
                    writer.write(b"354 go\r\n")
                    await reader.readuntil(b"\r\n.\r\n")
                    writer.write(b"250 queued\r\n")
                else:
                    writer.write(b"250 ok\r\n")
        except OSError:
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, courier(cafile=cafile, start_connections=1, max_connections=1) as it:
        port = server.sockets[0].getsockname()[1]
        clear = await asyncio.wait_for(it.deliver(job(port)), 10)
        kept = await asyncio.wait_for(it.deliver(job(port, requiretls=True)), 10)
        again = await asyncio.wait_for(it.deliver(job(port, requiretls=True)), 10)
        mixed = await asyncio.wait_for(
            asyncio.gather(*(it.deliver(job(port, requiretls=n % 2 == 1)) for n in range(4))), 10
        )
    assert isinstance(clear.outcomes[0], Done)
    assert clear.tls is None
    for result in (kept, again, *mixed):
        assert isinstance(result.outcomes[0], Done), result
        assert result.tls is not None
    assert connections == 3


PIPELINED = (b"220 ok\r\n", b"250-mx\r\n250 PIPELINING\r\n")


@pytest.mark.parametrize(
    "replies",
    [
        (b"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n",),
        (b"250 ok\r\n250 ok\r\n354 go\r\n", b"354 a\r\n250 b\r\n"),
        (b"250 ok\r\n250 ok\r\n354 go\r\n", b"354 a\r\n25"),
    ],
)
async def test_a_server_that_answers_too_often_keeps_no_place(replies: tuple[bytes, ...]) -> None:
    """Surplus answers end the session with an outcome, and its place is free for the next message."""
    async with (
        scripted(*PIPELINED, *replies) as (port, _),
        courier(start_connections=1, max_connections=1) as it,
    ):
        results = await asyncio.wait_for(asyncio.gather(*(it.deliver(job(port)) for _ in range(3))), 10)
    for result in results:
        outcome = result.outcomes[0]
        assert isinstance(outcome, TempFail), outcome
        assert outcome.reason == "protocol_error"


async def test_a_fault_of_ours_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody foresaw ends the session: the message is tried again, the fault is told, the place is free."""
    told: list[BaseException] = []
    it = SmtpCourier(PoolOptions(start_connections=1.0, max_connections=1.0), failed=told.append)

    def form() -> WireContent:
        raise LookupError("the form")

    sink = SmtpSink()
    port = await sink.listen()
    async with scripted(b"220 ok\r\n", b"250 mx\r\n") as (seven, _):
        there = (("mx.b.test", "127.0.0.1", seven),)
        first = await asyncio.wait_for(it.deliver(job(port, hosts=there, content=b"\xff\r\n", seven_bit=form)), 10)
    with monkeypatch.context() as broken:
        broken.setattr(SmtpClient, "receive", lambda *a: 1 / 0)
        second = await asyncio.wait_for(it.deliver(job(port)), 10)
    with monkeypatch.context() as broken:
        broken.setattr(Connection, "__init__", lambda *a: 1 / 0)
        third = await asyncio.wait_for(it.deliver(job(port)), 10)
    fourth = await asyncio.wait_for(it.deliver(job(port)), 10)
    await it.close(0.1)
    await sink.close()
    for result in (first, second, third):
        assert isinstance(result.outcomes[0], TempFail), result
        assert result.outcomes[0].reason == "internal"
    assert isinstance(fourth.outcomes[0], Done)
    assert {type(e) for e in told} == {LookupError, ZeroDivisionError}


async def test_a_fault_after_the_answer_sends_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the server took the message, a fault of ours does not make it another attempt."""
    sink = SmtpSink()
    port = await sink.listen()
    monkeypatch.setattr(Destination, "learn", lambda *a: 1 / 0)
    result = await once(port)
    await sink.close()
    assert isinstance(result.outcomes[0], Done)
    assert sink.messages == 1


@pytest.mark.parametrize("content", [b"a\nb\r\n", b"a\rb\r\n", b"a\0b\r\n", b"a\r\n.\n", (b"a\r", b"b")])
async def test_bare_line_ends_are_refused(content: bytes | tuple[bytes, ...]) -> None:
    """Content with a bare CR, LF or NUL raises before any connection."""
    async with courier() as it:
        with pytest.raises(ValueError):
            it.start(job(1, content=content))


TLS_SESSION = (
    b"220 ok\r\n",
    b"250-mx\r\n250 STARTTLS\r\n",
    b"220 go\r\n",
    b"250 mx\r\n",
    b"250 ok\r\n",
    b"250 ok\r\n",
    b"354 go\r\n",
    b"250 queued\r\n",
)


def authority(tmp_path: Path, name: str) -> tuple[ssl.SSLContext, str]:
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(name).configure_cert(context)
    path = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(str(path))
    return context, str(path)


@pytest.mark.parametrize(("name", "verified"), [("mx.b.test", True), ("other.test", False)])
async def test_opportunistic_tls_keeps_facts(tmp_path: Path, name: str, verified: bool) -> None:
    """TLS is used when offered, whatever the certificate, and the facts say whether it was a good one."""
    context, cafile = authority(tmp_path, name)
    async with scripted(*TLS_SESSION, tls=context) as (port, _), courier(cafile=cafile) as it:
        result = await asyncio.wait_for(it.deliver(job(port)), 10)
    assert isinstance(result.outcomes[0], Done)
    assert result.tls is not None
    assert result.tls.version == "TLSv1.3"
    assert result.tls.names == (name,)
    assert result.tls.verified is verified, result.tls
    assert bool(result.tls.reason) is not verified


def odd_certificate(tmp_path: Path, kind: str) -> ssl.SSLContext:
    """A certificate that OpenSSL shows and the examination cannot read."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "odd.test")])
    until = datetime.now(UTC) + timedelta(days=1)
    builder = (
        x509.CertificateBuilder(name, name, key.public_key())
        .serial_number(7)
        .not_valid_before(until - timedelta(days=2))
        .not_valid_after(until)
    )
    one, other = x509.ObjectIdentifier("1.2.3.4.5"), x509.ObjectIdentifier("1.2.3.4.6")
    if kind == "name":  # ediPartyName, which nobody uses
        edi = bytes.fromhex("3007a505a1030c0178")
        builder = builder.add_extension(x509.UnrecognizedExtension(x509.OID_SUBJECT_ALTERNATIVE_NAME, edi), False)
    elif kind == "repetition":
        for oid in (one, other):
            builder = builder.add_extension(x509.UnrecognizedExtension(oid, b"\5\0"), False)
    der = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    if kind == "version":
        der = der.replace(b"\xa0\3\2\1\2", b"\xa0\3\2\1\7", 1)
    der = der.replace(b"\6\4*\3\4\6", b"\6\4*\3\4\5", 1)
    path = tmp_path / "odd.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + ssl.DER_cert_to_PEM_cert(der).encode()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.mark.parametrize("kind", ["name", "version", "repetition"])
async def test_a_certificate_that_cannot_be_read(tmp_path: Path, kind: str) -> None:
    """However odd a certificate is, opportunistic TLS goes on with it, and says that it was not a good one."""
    context = odd_certificate(tmp_path, kind)
    _, cafile = authority(tmp_path, "mx.b.test")
    async with scripted(*TLS_SESSION, tls=context) as (port, _), courier(cafile=cafile) as it:
        result = await asyncio.wait_for(it.deliver(job(port)), 10)
    assert isinstance(result.outcomes[0], Done)
    assert result.tls is not None
    assert (result.tls.verified, result.tls.reason) == (False, "the certificate cannot be read")


async def test_an_examination_that_fails_is_a_failed_handshake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody foresaw in the examination does not keep the message: it goes as after a failed handshake."""
    context, cafile = authority(tmp_path, "mx.b.test")
    monkeypatch.setattr(peer_tls, "facts", lambda *a: 1 / 0)
    async with scripted(*TLS_SESSION, tls=context) as (port, _), courier(cafile=cafile) as it:
        result = await asyncio.wait_for(it.deliver(job(port, tls_policy=TlsPolicy.ENCRYPT)), 10)
    assert isinstance(result.outcomes[0], TempFail)
    assert result.outcomes[0].reason == "tls_failure"


@pytest.mark.parametrize(("name", "kind"), [("mx.b.test", Done), ("other.test", TempFail)])
async def test_verify(tmp_path: Path, name: str, kind: type) -> None:
    """Under the policy verify only a certificate for the host's name will do."""
    context, cafile = authority(tmp_path, name)
    async with scripted(*TLS_SESSION, tls=context) as (port, _), courier(cafile=cafile) as it:
        result = await asyncio.wait_for(it.deliver(job(port, tls_policy=TlsPolicy.VERIFY)), 10)
    assert isinstance(result.outcomes[0], kind)
    if kind is TempFail:
        assert result.outcomes[0].reason == "tls_failure"  # type: ignore[union-attr]


async def test_encrypt_never_falls_back() -> None:
    """A server without STARTTLS gets nothing when encryption is required."""
    async with scripted(b"220 ok\r\n", b"250 mx\r\n") as (port, heard):
        result = await once(port, tls_policy=TlsPolicy.ENCRYPT)
    assert isinstance(result.outcomes[0], TempFail) and result.outcomes[0].reason == "tls_failure"
    assert heard == [b"EHLO mail.a.test\r\n"]


async def test_tls_that_is_away_for_a_while_gives_no_mail_back_that_requires_it() -> None:
    """454 to STARTTLS is for a while (RFC 3207 section 4): REQUIRETLS is kept by waiting, and not by giving up."""
    script = (b"220 ok\r\n", b"250-mx\r\n250 STARTTLS\r\n", b"454 4.7.0 TLS not available due to temporary reason\r\n")
    async with scripted(*script) as (port, heard):
        result = await once(port, requiretls=True)
    outcome = result.outcomes[0]
    assert isinstance(outcome, TempFail), outcome
    assert (outcome.reason, outcome.code) == ("tls_failure", 454)
    assert heard[:2] == [b"EHLO mail.a.test\r\n", b"STARTTLS\r\n"]
    assert not any(b"MAIL" in line for line in heard)


@pytest.mark.parametrize(("policy", "kind"), [(TlsPolicy.OPPORTUNISTIC, Done), (TlsPolicy.ENCRYPT, TempFail)])
async def test_failed_handshake(policy: TlsPolicy, kind: type) -> None:
    """A handshake that fails is repeated in clear on a new connection only under the opportunistic policy."""
    connections = 0
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await talk(reader, writer)
        finally:
            writer.transport.abort()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ok\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                writer.write(b"250-mx\r\n250 STARTTLS\r\n")
            elif verb == b"STAR":
                writer.write(b"220 go\r\n")
                await reader.read(10)
                writer.write(b"not TLS at all\r\n")
                break
            elif verb == b"DATA":
                writer.write(b"354 go\r\n")
                await reader.readuntil(b"\r\n.\r\n")
                writer.write(b"250 queued\r\n")
            else:
                writer.write(b"250 ok\r\n")

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    result = await once(server.sockets[0].getsockname()[1], tls_policy=policy)
    server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(result.outcomes[0], kind), result
    assert connections == (2 if kind is Done else 1)
    assert result.tls is None


async def test_who_waits_behind_a_failed_handshake_is_served() -> None:
    """A handshake that fails makes room for the next message."""
    script = (b"220 ok\r\n", b"250-mx\r\n250 STARTTLS\r\n", b"220 go\r\n", b"no TLS at all, but many octets\r\n")
    async with scripted(*script, None) as (port, _), courier(start_connections=1, max_connections=1) as it:
        letters = [job(port, tls_policy=TlsPolicy.ENCRYPT) for _ in range(3)]
        results = await asyncio.wait_for(asyncio.gather(*map(it.deliver, letters)), 10)
    assert [o.reason for r in results for o in r.outcomes if isinstance(o, TempFail)] == ["tls_failure"] * 3


async def test_response_injection() -> None:
    """Replies sent in clear behind the 220 to STARTTLS are not taken for replies to what follows."""
    async with scripted(
        b"220 ok\r\n", b"250-mx\r\n250 STARTTLS\r\n", b"220 go\r\n250 mx\r\n250-injected\r\n", None
    ) as (port, _):
        result = await once(port, tls_policy=TlsPolicy.ENCRYPT)
    assert isinstance(result.outcomes[0], TempFail)
    assert result.outcomes[0].reason == "tls_failure"


@pytest.mark.parametrize(
    "replies",
    [
        (b"",),
        (b"220 ok\r\n", b"250 mx\r\n", b""),
        (b"220 ok\r\n", b"250-x\r\n250 STARTTLS\r\n", b"220 go\r\n"),
    ],
)
async def test_closing_answers_everyone(replies: tuple[bytes, ...]) -> None:
    """When the process drains, each message under way, waiting or still connecting gets its outcome."""
    async with scripted(*replies) as (port, _):
        it = SmtpCourier(PoolOptions(start_connections=1.0, max_connections=1.0))
        futures = [it.start(job(port)) for _ in range(3)]
        await asyncio.sleep(0.05)
        futures.append(it.start(job(port, route_key="c.test")))
        await it.close(0.05)
        results = await asyncio.wait_for(asyncio.gather(*futures), 2)
    assert all(isinstance(r.outcomes[0], TempFail) for r in results)


async def test_mail_that_a_slow_server_keeps_waiting_goes_back_to_the_queue() -> None:
    """It was not asked, so that is no attempt; its turns follow each other, and other servers see nothing of it."""
    sink = SmtpSink(on_message=lambda *m: None)
    quick = await sink.listen()
    async with (
        scripted(b"") as (silent, _),
        courier(max_wait=0.3, start_connections=2, max_connections=2, idle=0.05) as it,
    ):
        stuck = [it.start(job(silent)) for _ in range(2)]
        waiting = [it.start(job(silent)) for _ in range(30)]
        other = await asyncio.wait_for(it.deliver(job(quick)._replace(route_key="quick")), 5)
        assert isinstance(other.outcomes[0], Done)
        back = [(await asyncio.wait_for(w, 5)).outcomes[0] for w in waiting]
        newcomers = [it.start(job(silent)) for _ in range(6)]
        at_once = [n.result().outcomes[0] for n in newcomers if n.done()]
        assert not any(s.done() for s in stuck)
    await sink.close()
    assert {(b.reason, b.tried) for b in back if isinstance(b, TempFail)} == {("turn", False)}
    turns = [b.retry_after for b in [*back, *at_once] if isinstance(b, TempFail) and b.retry_after]
    assert len(turns) == 34 and turns[0] >= 14 and turns == sorted(turns)
    assert turns[-1] > turns[0] + 30 * 20, "two connections of a minute a message each"


async def test_a_paused_destination_gives_turns_at_the_pace_it_takes() -> None:
    """After it asked us to slow down nobody is asked; whoever waits for that has lost no attempt."""
    async with scripted(b"421 4.7.0 rate limited, try later\r\n") as (port, _), courier() as it:
        first = (await asyncio.wait_for(it.deliver(job(port)), 5)).outcomes[0]
        assert isinstance(first, TempFail) and first.tried
        later = [(await asyncio.wait_for(it.deliver(job(port)), 5)).outcomes[0] for _ in range(5)]
    assert {(b.reason, b.tried) for b in later if isinstance(b, TempFail)} == {("rate_limited", False)}
    turns = [b.retry_after for b in later if isinstance(b, TempFail) and b.retry_after]
    assert len(turns) == 5 and turns[0] >= 9 and turns == sorted(turns)


@pytest.mark.parametrize("octets", [10, connection.LARGE + 1])
async def test_a_large_form_is_made_beside_the_rest(octets: int) -> None:
    """The 7-bit form of a large message is made in a thread, and goes out on the connection that asked for it."""
    threads: list[bool] = []

    def form() -> WireContent:
        threads.append(threading.current_thread() is threading.main_thread())
        return wire_content(b"seven\r\n")

    async with (
        scripted(b"220 ok\r\n", b"250 mx\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n", b"250 ok\r\n") as (
            port,
            _,
        ),
        courier() as it,
    ):
        there = (("mx.b.test", "127.0.0.1", port),)
        content = b"\xff" * octets + b"\r\n"
        result = await asyncio.wait_for(it.deliver(job(port, hosts=there, content=content, seven_bit=form)), 10)
    assert isinstance(result.outcomes[0], Done), result
    assert threads[0] is (octets == 10)
