"""A real listener on 127.0.0.1 in a thread of its own, a gate that remembers, and a client that says raw octets.

By hand: `python tests/edges/smtpd/smtp_rig.py` serves on 127.0.0.1:1587 until interrupted (ann / secret).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import ssl
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

import trustme
import uvloop

from mailward.base.errors import Forbidden, LimitReached, Unauthenticated, Unavailable
from mailward.base.secret import Secret
from mailward.edges.smtpd.config import ListenerConfig, Mode, reception
from mailward.edges.smtpd.floor import Floor
from mailward.edges.smtpd.listener import Listener, serve
from mailward.edges.smtpd.ports import MailParams, Peer, SessionFacts, SmtpEnvelope
from mailward.edges.smtpd.room import Room
from mailward.protocol.smtp.questions import ServerConfig

T = TypeVar("T")
AUTHORITY = trustme.CA()
PLAIN = base64.b64encode(b"\0ann\0secret")


@dataclass
class Gate:
    """Knows ann (password "secret"), refuses senders at evil.example and recipients at refused.example."""

    accepted: list[tuple[SmtpEnvelope, bytes, SessionFacts]] = field(default_factory=list)
    tried: list[tuple[str, str]] = field(default_factory=list)
    peers: list[Peer] = field(default_factory=list)
    introduced: list[SessionFacts] = field(default_factory=list)
    open: int = 0
    most: int = 1000
    valid: bool = True
    network: str | None = "appliance"
    knows_networks: bool = True
    failure: Exception | None = None  # what accept() raises
    wait: asyncio.Event | None = None  # what accept() waits for

    async def authenticate(self, username: str, password: Secret[str], peer: Peer) -> str:
        self.tried.append((username, password.reveal()))
        if (username, password.reveal()) != ("ann", "secret"):
            raise Unauthenticated("unauthenticated", "No.")
        return username

    def network_principal(self, peer: Peer) -> str | None:
        if not self.knows_networks:
            raise Unavailable("starting", "Please try again.")
        return self.network

    def still_valid(self, principal: str) -> bool:
        return self.valid

    def connection_opened(self, peer: Peer) -> None:
        if self.open >= self.most:
            raise LimitReached("too_many_connections", "Too many connections from your address.", retry_after=60)
        self.open += 1
        self.peers.append(peer)

    def connection_closed(self, peer: Peer) -> None:
        self.open -= 1

    def introduce(self, principal: str, session: SessionFacts) -> None:
        self.introduced.append(session)

    def check_sender(self, principal: str, sender: str, params: MailParams) -> None:
        if sender.endswith("@evil.example"):
            raise Forbidden("domain_not_allowed", "This domain is not yours.")
        if sender.endswith("@broken.example"):
            raise RuntimeError("secret detail")

    def check_recipient(self, principal: str, recipient: str) -> Awaitable[None] | None:
        if recipient.endswith("@refused.example"):
            raise Forbidden("recipient_suppressed", "Suppressed.")
        return self._ask(recipient) if recipient.endswith("@asked.example") else None

    async def _ask(self, recipient: str) -> None:
        if self.wait is not None:
            await self.wait.wait()
        await asyncio.sleep(0)
        if recipient.startswith("no@"):
            raise Forbidden("recipient_refused", "The owner says no.")

    def accept(self, principal: str, envelope: SmtpEnvelope, content: bytes, session: SessionFacts) -> Awaitable[str]:
        return self._accept(envelope, content, session)

    async def _accept(self, envelope: SmtpEnvelope, content: bytes, session: SessionFacts) -> str:
        if self.wait is not None:
            await self.wait.wait()
        if self.failure is not None:
            raise self.failure
        self.accepted.append((envelope, content, session))
        return f"msg_{len(self.accepted)}"


def server_context(name: str = "localhost") -> ssl.SSLContext:
    """A server's TLS context with a certificate of the rig's own authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    AUTHORITY.issue_cert(name, "127.0.0.1").configure_cert(context)
    return context


def client_context() -> ssl.SSLContext:
    """A client's TLS context that trusts the rig."""
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


class Rig:
    """A listener that blocking clients can talk to."""

    def __init__(self, config: ListenerConfig, gate: Gate) -> None:
        self.gate = gate
        self.config = config
        self.contexts = [server_context()]
        self.floor = Floor()
        self.room: Room | None = None
        self.port = 0
        self.loop = uvloop.new_event_loop()
        self.listener: Listener[str] | None = None
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the rig's loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def __enter__(self) -> Rig:
        self._thread.start()
        sock = socket.create_server(("127.0.0.1", 0))
        self.port = sock.getsockname()[1]

        def tls() -> ssl.SSLContext:
            return self.contexts[-1]

        self.listener = self.call(serve([sock], self.gate, self.config, tls, self.floor, self.room))
        return self

    def __exit__(self, *_: object) -> None:
        assert self.listener is not None
        with contextlib.suppress(Exception):
            self.call(self.listener.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()

    @contextlib.contextmanager
    def wire(self) -> Iterator[Wire]:
        """A raw connection, greeting not yet read."""
        wire = Wire(socket.create_connection(("127.0.0.1", self.port), timeout=10))
        try:
            yield wire
        finally:
            wire.sock.close()  # by then it may be another socket, wrapped in TLS

    @contextlib.contextmanager
    def logged_in(self) -> Iterator[Wire]:
        """A connection past the greeting, TLS, EHLO and AUTH, as far as the mode has them."""
        with self.wire() as wire:
            if self.config.mode is Mode.IMPLICIT:
                wire.start_tls()
            wire.reply()
            if self.config.mode is Mode.STARTTLS:
                wire.ask(b"EHLO client.test")
                assert wire.ask(b"STARTTLS").startswith(b"220")
                wire.start_tls()
            assert wire.ask(b"EHLO client.test").startswith(b"250")
            if self.config.mode not in (Mode.PRIVATE, Mode.MX):
                assert wire.ask(b"AUTH PLAIN " + PLAIN).startswith(b"235")
            yield wire


class Wire:
    """A socket that says octets as they are and reads replies."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._read = b""

    def start_tls(self) -> None:
        """The client's side of the handshake."""
        self.sock = client_context().wrap_socket(self.sock, server_hostname="localhost")

    def say(self, octets: bytes) -> None:
        self.sock.sendall(octets)

    def reply(self) -> bytes:
        """One whole reply, or b"" at the end of the connection."""
        while True:
            lines = self._read.split(b"\r\n")
            for n, line in enumerate(lines[:-1]):
                if line[3:4] != b"-":
                    whole = b"\r\n".join(lines[: n + 1]) + b"\r\n"
                    self._read = self._read[len(whole) :]
                    return whole
            try:
                more = self.sock.recv(65536)
            except (ConnectionError, ssl.SSLEOFError):
                more = b""
            if not more:
                return b""
            self._read += more

    def ask(self, line: bytes) -> bytes:
        """Say a line, read the reply."""
        self.say(line + b"\r\n")
        return self.reply()

    def hang_up(self) -> None:
        """Say no more, and go on reading."""
        self.sock.shutdown(socket.SHUT_WR)

    def rest(self) -> bytes:
        """Every reply until the server closes."""
        out = b""
        while got := self.reply():
            out += got
        return out

    def envelope(self) -> None:
        """MAIL, RCPT and DATA, all accepted."""
        assert self.ask(b"MAIL FROM:<a@example.org>").startswith(b"250")
        assert self.ask(b"RCPT TO:<b@example.net>").startswith(b"250")
        assert self.ask(b"DATA").startswith(b"354")


def config(
    mode: Mode, changes: Callable[[ListenerConfig], ListenerConfig] | None = None, **server: int
) -> ListenerConfig:
    """A listener's configuration with short ticks; `server` overrides limits of the machine."""
    if mode is Mode.MX:
        made = reception("mx", "mail.test", max_size=server.get("max_size", 1_000_000), max_recipients=100)
        made = replace(made, tick=0.05, linger=0.3)
        return changes(made) if changes else made
    private = mode is Mode.PRIVATE
    manners = ServerConfig(
        "mail.test", tls_required=not private, starttls=mode is Mode.STARTTLS, auth=not private, **cast(Any, server)
    )
    made = replace(ListenerConfig(mode.value, mode, manners), tick=0.05, linger=0.3)
    return changes(made) if changes else made


@contextlib.contextmanager
def rig(
    mode: Mode = Mode.STARTTLS, changes: Callable[[ListenerConfig], ListenerConfig] | None = None, **server: int
) -> Iterator[Rig]:
    """A running listener with a fresh gate."""
    with Rig(config(mode, changes, **server), Gate()) as running:
        yield running


async def _by_hand() -> None:
    sock = socket.create_server(("127.0.0.1", 1587))
    await serve([sock], Gate(), config(Mode.STARTTLS), server_context)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(_by_hand())
    sys.exit(0)
