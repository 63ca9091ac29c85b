"""The real server: one port for several processes, framing that cannot be read in two ways, graceful stop, TLS."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import trustme

from mailward.edges.web.server import Server, Tls, bind
from tests.edges.web.conftest import SEND, make_site
from tests.edges.web.fake_platform import ADMIN

ROOT = Path(__file__).resolve().parents[3]
KEY = f"Authorization: Bearer {ADMIN}\r\n".encode()
HOST = b"Host: localhost\r\n"
CLOSE = b"Connection: close\r\n"


@contextlib.contextmanager
def process(port: int) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """One server process and its port."""
    command = [sys.executable, "-m", "tests.edges.web.serve_alone", str(port)]
    child = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        yield child, int(child.stdout.readline())
    finally:
        with contextlib.suppress(OSError):
            child.stdin.close()  # type: ignore[union-attr]
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        child.stdout.close()  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server process for the module."""
    with process(0) as (_, found):
        yield found


def raw(port: int, request: bytes, wait: float = 5.0) -> bytes:
    """All that comes back for some bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=wait) as s:
        s.sendall(request)
        out = b""
        while chunk := s.recv(65536):
            out += chunk
        return out


def ask(port: int, path: str) -> tuple[int, str]:
    """Status and process of one GET on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers["x-process"]
    finally:
        connection.close()


def test_processes_share_a_port_and_one_stops_without_losing_a_request() -> None:
    """Two processes answer on one port; when one stops, what it was answering is answered, and the other goes on."""
    with process(0) as (first, port), process(port) as (second, _):
        pids = {str(first.pid), str(second.pid)}
        seen: set[str] = set()
        deadline = time.monotonic() + 10
        while seen != pids and time.monotonic() < deadline:
            seen.add(ask(port, "/healthz")[1])
        assert seen == pids

        answers: list[tuple[int, str]] = []
        threads = [threading.Thread(target=lambda: answers.append(ask(port, "/slow"))) for _ in range(12)]
        for thread in threads:
            thread.start()
        time.sleep(0.25)
        assert first.stdin is not None
        first.stdin.close()
        for thread in threads:
            thread.join()
        assert [status for status, _ in answers] == [200] * 12
        assert {pid for _, pid in answers} == pids
        first.wait(5)
        assert {ask(port, "/healthz")[1] for _ in range(5)} == {str(second.pid)}


SMUGGLING = [
    b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    b"Content-Length: 3, 3\r\n\r\nabc",
    b"Content-Length: +3\r\n\r\nabc",
    b"Content-Length: -1\r\n\r\nabc",
    b"Content-Length: 0x3\r\n\r\nabc",
    b"Content-Length: 3 \t4\r\n\r\nabc",
    b"Content-Length: 99999999999999999999\r\n\r\nabc",
    b"Content-Length : 3\r\n\r\nabc",
    b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\nx\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n folded\r\n\r\n0\r\n\r\n",
    b" Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"X: a\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"X: a\x00b\r\nContent-Length: 3\r\n\r\nabc",
    b"Host: other\r\nContent-Length: 3\r\n\r\nabc",
]


@pytest.mark.asvs("4.2.1")
@pytest.mark.parametrize("rest", SMUGGLING, ids=repr)
def test_request_smuggling(port: int, rest: bytes) -> None:
    """A request whose end can be read in two ways is refused once and the connection closed: no second answer."""
    hidden = b"GET /v1/workspace HTTP/1.1\r\n" + HOST + KEY + b"\r\n"
    head = b"POST /v1/messages HTTP/1.1\r\n" + HOST + KEY + b"Content-Type: application/json\r\n"
    answer = raw(port, head + rest + hidden)
    assert answer[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 411"), answer[:200]
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"ws_" not in answer


@pytest.mark.asvs("4.2.1")
def test_equal_lengths_are_one(port: int) -> None:
    """The same Content-Length twice is one value (RFC 9110 section 8.6): what follows the body is the next request."""
    head = b"POST /v1/messages HTTP/1.1\r\n" + HOST + KEY + b"Content-Type: application/json\r\n"
    following = b"GET /healthz HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n"
    answer = raw(port, head + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc" + following)
    assert answer.count(b"HTTP/1.1 ") == 2
    assert answer.startswith(b"HTTP/1.1 400")


def test_missing_host(port: int) -> None:
    """HTTP/1.1 without Host is 400 (RFC 9112 section 3.2)."""
    assert raw(port, b"GET /healthz HTTP/1.1\r\n" + CLOSE + b"\r\n").startswith(b"HTTP/1.1 400")


def test_http2_in_clear(port: int) -> None:
    """Neither prior knowledge nor an upgrade to h2c leads past HTTP/1.1."""
    assert b"HTTP/2" not in raw(port, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
    upgrade = b"Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
    assert raw(port, b"GET /healthz HTTP/1.1\r\n" + HOST + upgrade + b"\r\n").startswith(b"HTTP/1.1 400")


def test_websocket(port: int) -> None:
    """There are no WebSockets: an upgrade is answered as the plain request it is, or refused."""
    upgrade = (
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
        s.sendall(b"GET /v1/workspace HTTP/1.1\r\n" + HOST + upgrade + b"\r\n")
        assert b" 101 " not in s.recv(4096)


def test_headers_too_many_or_too_large(port: int) -> None:
    """Past 64 fields or 256 KiB of header it is 431."""
    many = b"".join(b"X-%d: y\r\n" % i for i in range(80))
    assert raw(port, b"GET /healthz HTTP/1.1\r\n" + HOST + many + CLOSE + b"\r\n").startswith(b"HTTP/1.1 431")
    assert raw(port, b"GET /healthz HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 300_000).startswith(b"HTTP/1.1 431")


def test_body_that_breaks_off(port: int) -> None:
    """Half a message is never taken for a whole one."""
    body = b"From: ada@example.com\r\nTo: bob@example.net\r\n\r\nHalf of it"
    head = b"POST /v1/messages/raw HTTP/1.1\r\n" + HOST + KEY + b"Content-Type: message/rfc822\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
        s.sendall(head + b"Content-Length: 500\r\n\r\n" + body)
        s.shutdown(socket.SHUT_WR)
        answer = s.recv(65536)
    assert b"202" not in answer[:12]


@pytest.fixture
async def secure(tmp_path: Path) -> AsyncIterator[tuple[int, ssl.SSLContext]]:
    """A TLS server in this process, and a context that trusts it."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    certificate, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    server = Server(make_site().front, bind("127.0.0.1", 0), Tls(certificate, key))
    await server.start()
    context = ssl.create_default_context()
    authority.configure_trust(context)
    yield server.address[1], context
    await server.stop()


async def _talk(port: int, context: ssl.SSLContext, request: bytes) -> tuple[bytes, str | None]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    writer.write(request)
    answer = await reader.read(65536)
    version = writer.get_extra_info("ssl_object").version()
    writer.close()
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()
    return answer, version


@pytest.mark.asvs("12.1.1")
async def test_tls(secure: tuple[int, ssl.SSLContext]) -> None:
    """Over TLS a message is accepted and HSTS is told; 1.2 is the oldest version spoken."""
    port, context = secure
    body = json.dumps(SEND).encode()
    request = (
        b"POST /v1/messages HTTP/1.1\r\n" + HOST + KEY + CLOSE + b"Content-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body)
    )
    answer, version = await _talk(port, context, request + body)
    assert answer.startswith(b"HTTP/1.1 202")
    assert b"strict-transport-security" in answer
    assert version == "TLSv1.3"
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    answer, version = await _talk(port, context, b"GET /healthz HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n")
    assert version == "TLSv1.2"
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await _talk(port, context, b"GET /healthz HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n")


@pytest.mark.asvs("12.1.2")
@pytest.mark.parametrize(
    ("suite", "spoken"),
    [("ECDHE-ECDSA-AES256-GCM-SHA384", True), ("ECDHE-ECDSA-CHACHA20-POLY1305", True),
     ("ECDHE-ECDSA-AES128-SHA256", False), ("ECDHE-ECDSA-AES256-SHA", False), ("ECDHE-ECDSA-AES128-CCM8", False)],
)  # fmt: skip
async def test_only_suites_of_today(secure: tuple[int, ssl.SSLContext], suite: str, spoken: bool) -> None:
    """With TLS 1.2, forward secrecy and authenticated encryption only."""
    port, context = secure
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{suite}:@SECLEVEL=0")
    request = b"GET /healthz HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n"
    if spoken:
        assert (await _talk(port, context, request))[1] == "TLSv1.2"
    else:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await _talk(port, context, request)


async def test_stop_does_not_wait_for_the_idle() -> None:
    """Half a header, and a connection kept alive, do not hold up the end; the port is free afterwards."""
    server = Server(make_site().front, bind("127.0.0.1", 0))
    await server.start()
    kept, kept_writer = await asyncio.open_connection(*server.address)
    kept_writer.write(b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
    assert (await kept.read(12)) == b"HTTP/1.1 200"
    _, half_writer = await asyncio.open_connection(*server.address)
    half_writer.write(b"GET /hea")
    await half_writer.drain()
    began = time.monotonic()
    await server.stop()
    assert time.monotonic() - began < 3
    with pytest.raises(OSError, match=r"refused|Connect"):
        await asyncio.open_connection(*server.address)
    for writer in (kept_writer, half_writer):
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_bad_certificate_is_told_at_start(tmp_path: Path) -> None:
    """A certificate that cannot be read stops the start, with the listener closed."""
    bad = tmp_path / "bad.pem"
    bad.write_text("not a certificate")
    with pytest.raises((ssl.SSLError, OSError)):
        Server(make_site().front, bind("127.0.0.1", 0), Tls(bad, bad))
