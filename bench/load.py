"""Drivers: smtp-source for the rates, a light prober for latency, sessions with TLS and AUTH, HTTP batches."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import ssl
import subprocess
import threading
import time
from dataclasses import dataclass

from tests.scenarios.peers import PeerFailed, SmtpSink, tool

SENDER = "app@bench.test"
RECIPIENT = "someone@sink.test"


def message(size: int, subject: str = "probe") -> bytes:
    """An RFC 5322 message of about `size` bytes with CRLF line ends."""
    head = f"From: {SENDER}\r\nTo: {RECIPIENT}\r\nSubject: {subject}\r\nDate: Mon, 2 Nov 2026 10:00:00 +0000\r\n"
    head += f"Message-ID: <{time.time_ns()}.{threading.get_ident()}@bench.test>\r\n\r\n"
    lines = max(1, (size - len(head)) // 80)
    return head.encode() + b"".join(b"%078d\r\n" % n for n in range(lines))


def smtp_source(port: int, *, sessions: int, messages: int, size: int, limit: float) -> float:
    """Seconds smtp-source took, a connection a message as it does by default; PeerFailed past `limit` seconds."""
    command = [tool("smtp-source"), "-4", "-s", str(sessions), "-m", str(messages), "-l", str(size)]
    command += ["-C", "20", "-f", SENDER, "-t", RECIPIENT, f"127.0.0.1:{port}"]
    started = time.perf_counter()
    try:
        done = subprocess.run(command, capture_output=True, timeout=limit, check=False)  # noqa: S603  # fixed list, no shell
    except subprocess.TimeoutExpired:
        raise PeerFailed(f"smtp-source was not done after {limit:g} s") from None
    if done.returncode:
        raise PeerFailed("smtp-source: " + done.stderr.decode("utf-8", "replace")[-300:])
    return time.perf_counter() - started


class Dialogue:
    """A bare SMTP client on one blocking socket: as little of its own in the figure as can be."""

    def __init__(self, port: int, seconds: float = 30.0) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), seconds)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""
        self._answer()

    def _answer(self) -> None:
        while True:
            line, found, rest = self._rest.partition(b"\r\n")
            if not found:
                chunk = self._socket.recv(4096)
                if not chunk:
                    raise PeerFailed("the server closed the session")
                self._rest += chunk
                continue
            self._rest = rest
            if line[3:4] != b"-":
                if line[:1] not in b"23":
                    raise PeerFailed("the server said " + line.decode("utf-8", "replace"))
                return

    def say(self, line: bytes) -> None:
        """One command, and its answer."""
        self._socket.sendall(line + b"\r\n")
        self._answer()

    def send(self, content: bytes) -> None:
        """One message, to its 250."""
        self.say(f"MAIL FROM:<{SENDER}>".encode())
        self.say(f"RCPT TO:<{RECIPIENT}>".encode())
        self.say(b"DATA")
        self.say(content + b".")

    def close(self) -> None:
        self._socket.close()


class Prober:
    """Every `pause` seconds a whole session with one message, while a load runs. `seconds` are the times it took."""

    def __init__(self, port: int, size: int, pause: float = 0.04) -> None:
        self._port, self._content, self._pause = port, message(size), pause
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.seconds: list[float] = []
        self.failures = 0

    def _run(self) -> None:
        while not self._over.wait(self._pause):
            started = time.perf_counter()
            try:
                dialogue = Dialogue(self._port)
                dialogue.say(b"EHLO probe.bench.test")
                dialogue.send(self._content)
            except (OSError, PeerFailed):
                self.failures += 1
                continue
            self.seconds.append(time.perf_counter() - started)
            dialogue.close()

    def __enter__(self) -> Prober:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(35)


def lone_latency(port: int, sink: SmtpSink, *, times: int = 40) -> list[float]:
    """Seconds from the first byte of a lone submission to its arrival at the sink, one at a time on a quiet server."""
    out = []
    content = message(10_000)
    for _ in range(times):
        before = sink.count
        started = time.perf_counter()
        dialogue = Dialogue(port)
        dialogue.say(b"EHLO probe.bench.test")
        dialogue.send(content)
        if not sink.wait_for(before + 1, 10):
            raise PeerFailed("a lone message did not arrive within 10 s")
        out.append(sink.last_at - started)
        dialogue.close()
        time.sleep(0.05)
    return out


@dataclass(frozen=True)
class Login:
    """A user name and password for AUTH PLAIN."""

    user: str
    password: str


async def _secure_session(port: int, login: Login, content: bytes, count: int, tls: ssl.SSLContext) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def say(line: bytes) -> None:
        writer.write(line + b"\r\n")
        await answer()

    async def answer() -> None:
        while True:
            line = await reader.readline()
            if line[3:4] != b"-":
                if line[:1] not in (b"2", b"3"):
                    raise PeerFailed("the server said " + line.decode("utf-8", "replace").strip())
                return

    await answer()
    await say(b"EHLO client.bench.test")
    await say(b"STARTTLS")
    await writer.start_tls(tls)
    await say(b"EHLO client.bench.test")
    token = base64.b64encode(f"\0{login.user}\0{login.password}".encode())
    await say(b"AUTH PLAIN " + token)
    for _ in range(count):
        await say(f"MAIL FROM:<{SENDER}>".encode())
        await say(f"RCPT TO:<{RECIPIENT}>".encode())
        await say(b"DATA")
        await say(content + b".")
    writer.write(b"QUIT\r\n")
    writer.close()


def secure_sessions(port: int, login: Login, *, sessions: int, messages: int, size: int, limit: float) -> float:
    """Seconds for `messages` over STARTTLS and AUTH PLAIN, a session per 10 messages, `sessions` at a time."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    content = message(size)

    async def run() -> None:
        left = iter(range(messages // 10))

        async def one() -> None:
            for _ in left:
                await _secure_session(port, login, content, 10, tls)

        async with asyncio.timeout(limit), asyncio.TaskGroup() as group:
            for _ in range(sessions):
                group.create_task(one())

    started = time.perf_counter()
    asyncio.run(run())
    return time.perf_counter() - started


def batch_body(count: int, size: int) -> bytes:
    """JSON for one batch of `count` messages of about `size` bytes."""
    text = "All work and no play makes a dull mail. " * (size // 40)
    one = {"from": SENDER, "to": [RECIPIENT], "subject": "A batch", "text": text}
    return json.dumps({"messages": [one] * count}).encode()


def http_batches(port: int, key: str, *, path: str, connections: int, batches: int, body: bytes, limit: float) -> float:
    """Seconds to have `batches` POSTs answered 2xx over `connections` kept-alive connections."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\n"
    request = (head + f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body

    async def run() -> None:
        left = iter(range(batches))

        async def one() -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for _ in left:
                writer.write(request)
                answer = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(answer.partition(b"content-length:")[2].partition(b"\r\n")[0])
                content = await reader.readexactly(length)
                if answer.split(b" ", 2)[1][:1] != b"2":
                    raise PeerFailed("the API said " + (answer + content).decode("utf-8", "replace")[:400])
            writer.close()

        async with asyncio.timeout(limit), asyncio.TaskGroup() as group:
            for _ in range(connections):
                group.create_task(one())

    started = time.perf_counter()
    asyncio.run(run())
    return time.perf_counter() - started
