"""granian on a socket that is ours: bound before root is given up, shared by the workers of the machine.

granian binds by itself and reads no inherited descriptor through its public options, so `Server` below
overrides the one method that makes its socket. Workers each bind their own with SO_REUSEPORT, and the
kernel spreads connections over them; a restart opens the new server before it stops the old one.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import socket
import ssl
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings, HTTP2Settings
from granian.net import SocketHolder  # type: ignore[attr-defined]  # its stub leaves the name out
from granian.server.embed import Server as _Embedded

from mailward.policy.listening import LISTENERS

Application = Callable[[Any, Any, Any], Awaitable[None]]

BACKLOG = 1024
# A header has to arrive within this; a peer that trickles is cut. Bodies have their own deadline in `limits`.
HEADER_MS = 10_000
# Seconds that connections without a running request get to close by themselves at the end.
LINGER = 0.5

_OLDEST = {"TLSv1.2": SSLProtocols.tls12, "TLSv1.3": SSLProtocols.tls13}


@dataclass(frozen=True, slots=True)
class Tls:
    """A certificate chain and its key, PEM files."""

    certificate: Path
    key: Path


def bind(address: str, port: int) -> socket.socket:
    """A listening TCP socket that other processes may share (SO_REUSEPORT); port 0 picks one.

    Raises OSError when the port is taken by someone else.
    """
    family = socket.AF_INET6 if isinstance(ipaddress.ip_address(address), ipaddress.IPv6Address) else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((address, port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


class _OnOurSocket(_Embedded):
    _ssp: Any
    _shd: Any
    _sfd: Any
    ssl_ctx: Any

    def build_ssl_context(  # type: ignore[no-untyped-def]  # granian's signature
        self, cert, key, password, proto, ca, crl, client_verify
    ):
        super().build_ssl_context(None, None, None, proto, None, [], False)
        if cert is not None:
            # granian's own resolves the paths first, and /proc/self/fd/N leads nowhere then. rustls, which serves
            # these, has no suite without forward secrecy, no compression and no renegotiation.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key)
            self.ssl_ctx = (True, str(cert), str(key), None, str(proto), None, [], False)

    def __init__(self, listener: socket.socket, **options: Any) -> None:
        super().__init__(**options)
        self._listener = listener

    def _init_shared_socket(self) -> None:
        # granian takes the descriptor over and closes it; ours is given away, not shared.
        self._shd = SocketHolder(self._listener.detach(), False, BACKLOG)  # type: ignore[call-arg]  # see above
        self._sfd = self._shd.get_fd()
        self._ssp = None


class Server:
    """One HTTP server of this process, on the running loop. `start`, then `stop` once."""

    def __init__(self, application: Application, listener: socket.socket, tls: Tls | None = None) -> None:
        """`listener` comes from `bind` and belongs to the server from now on.
        Raises ssl.SSLError or OSError when the certificate cannot be read.

        With `tls`, 1.2 and newer are spoken and HTTP/2 is offered by ALPN. Without it only
        HTTP/1.1 is: HTTP/2 in clear (h2c) is a way past proxies that check what they forward.
        """
        self.address: tuple[str, int] = listener.getsockname()[:2]
        self._listening = listener.fileno()
        self._left = False
        self._active = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._application = application
        try:
            self._server = _OnOurSocket(
                listener,
                target=self._counted,
                address=self.address[0],
                port=self.address[1],
                interface=Interfaces.ASGINL,
                runtime_threads=1,
                backlog=BACKLOG,
                backpressure=BACKLOG,
                http=HTTPModes.auto if tls else HTTPModes.http1,
                websockets=False,
                http1_settings=HTTP1Settings(header_read_timeout=HEADER_MS, max_buffer_size=256 * 1024),
                http2_settings=HTTP2Settings(
                    max_concurrent_streams=100, max_headers_size=64 * 1024, keep_alive_interval=20_000
                ),
                log_enabled=False,
                log_access=False,
                ssl_cert=tls.certificate if tls else None,
                ssl_key=tls.key if tls else None,
                ssl_protocol_min=_OLDEST[LISTENERS.oldest],
            )
        except BaseException:
            listener.close()
            raise
        self._task: asyncio.Task[None] | None = None

    def leave(self) -> None:
        """Accept no more, for good, and go on serving the connections there are. The port's queue is left to others
        that listen on the same socket: nobody is refused meanwhile.

        granian knows only an end in which idle connections are closed. Its listener is therefore exchanged under it
        for one that nobody can reach: it is woken by newcomers and finds nobody. `stop` is due later all the same.
        """
        if self._left:
            return
        self._left = True
        with tempfile.TemporaryDirectory(prefix="mailward-") as folder:
            nowhere = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                nowhere.bind(f"{folder}/none")
                nowhere.listen(1)
                nowhere.setblocking(False)
                os.dup2(nowhere.fileno(), self._listening, inheritable=False)
            finally:
                nowhere.close()

    async def _counted(self, scope: Any, receive: Any, send: Any) -> None:
        self._active += 1
        self._idle.clear()
        try:
            await self._application(scope, receive, send)
        finally:
            self._active -= 1
            if not self._active:
                self._idle.set()

    async def start(self) -> None:
        """Begin to serve. Raises whatever the server raised if it ends at once (a bad certificate)."""
        self._task = asyncio.get_running_loop().create_task(self._server.serve())
        done, _ = await asyncio.wait((self._task,), timeout=0.05)
        if done:
            self._task.result()

    async def wait(self) -> None:
        """Return when the server has ended."""
        if self._task is not None:
            await self._task

    async def stop(self, grace: float = 10.0) -> None:
        """Accept no more, let running requests end for up to `grace` seconds, then close."""
        if self._task is None:
            return
        self._server.stop()  # type: ignore[no-untyped-call]  # granian's embedded server is untyped
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self._idle.wait()
        # What is left now are connections without a request, or with half a header: nobody waits for an answer.
        done, _ = await asyncio.wait((self._task,), timeout=LINGER)
        if not done:
            self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None
