"""The embedded sink: where mail goes in capture mode.

A real SMTP server on loopback, so that the courier is the same as in earnest, but one that
takes everything and sends nothing on. It is not the platform's receiving side: that one is
strict, this one only has to understand our own client and test tools.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

OnMessage = Callable[[str, tuple[str, ...], bytes], None]
"""(mail_from, recipients, content with dots unstuffed)"""

_MAX_LINE = 8192
_HELLO = b"250-%b\r\n250-PIPELINING\r\n250-SIZE %d\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES\r\n"


class SmtpSink:
    """Listens on a loopback address and counts what it takes."""

    def __init__(
        self, *, name: str = "sink.mailward.test", max_size: int = 64 * 1024 * 1024, on_message: OnMessage | None = None
    ) -> None:
        self.messages = 0
        self.bytes = 0
        self.name = name.encode("ascii")
        self.max_size = max_size
        self.on_message = on_message
        self._server: asyncio.Server | None = None
        self._sessions: set[_Session] = set()

    async def listen(self, port: int = 0, host: str = "127.0.0.1") -> int:
        """Start; the port in use. Only loopback addresses are taken, as nobody signs in here."""
        if host not in ("127.0.0.1", "::1"):
            raise ValueError("the sink listens on loopback only")
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Session(self, self._sessions), host, port, backlog=1024)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and end all sessions."""
        if self._server is not None:
            self._server.close()
            for session in list(self._sessions):
                session.end()
            await self._server.wait_closed()
            self._server = None


class _Session(asyncio.Protocol):
    __slots__ = (
        "_body",
        "_buffer",
        "_ending",
        "_from",
        "_in_data",
        "_rcpts",
        "_sessions",
        "_sink",
        "_size",
        "_tail",
        "_transport",
    )

    def __init__(self, sink: SmtpSink, sessions: set[_Session]) -> None:
        self._sink = sink
        self._sessions = sessions
        self._buffer = b""
        self._body: list[bytes] = []
        self._size = 0
        self._tail = b""
        self._in_data = False
        self._ending = False
        self._from: str | None = None
        self._rcpts: list[str] = []
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._sessions.add(self)
        self._transport.write(b"220 %b ESMTP\r\n" % self._sink.name)

    def connection_lost(self, exc: Exception | None) -> None:
        self._sessions.discard(self)

    def end(self) -> None:
        """Close the socket."""
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        replies: list[bytes] = []
        while data:
            data = self._content(data, replies) if self._in_data else self._commands(data, replies)
        if self._transport is not None:
            if replies:
                self._transport.write(b"".join(replies))
            if self._ending:
                self._transport.close()

    def _content(self, data: bytes, replies: list[bytes]) -> bytes:
        """Take message bytes up to the final dot; what follows it is returned."""
        # The end may straddle reads: look at it together with the last bytes before (4: all but one of CRLF.CRLF).
        window = self._tail + data
        end = window.find(b"\r\n.\r\n")
        if end < 0:
            self._body.append(data)
            self._size += len(data)
            self._tail = window[-4:]
            if self._size > self._sink.max_size:
                replies.append(b"552 5.3.4 Too large\r\n")
                self._ending = True
            return b""
        rest = window[end + 5 :]
        whole = b"".join(self._body) + data[: len(data) - len(rest)]
        content = whole[: len(whole) - 3]  # the dot line
        self._body = []
        self._size = 0
        self._in_data = False
        sink = self._sink
        sink.messages += 1
        sink.bytes += len(content)
        if sink.on_message is not None:
            content = content.replace(b"\r\n..", b"\r\n.")
            sink.on_message(self._from or "", tuple(self._rcpts), content[1:] if content[:2] == b".." else content)
        self._from, self._rcpts = None, []
        replies.append(b"250 2.0.0 Captured\r\n")
        return rest

    def _commands(self, data: bytes, replies: list[bytes]) -> bytes:
        """Answer complete lines; stop behind DATA, as what follows is content."""
        data = self._buffer + data
        self._buffer = b""
        while data:
            end = data.find(b"\n")
            if end < 0:
                if len(data) > _MAX_LINE:
                    replies.append(b"500 5.5.2 Line too long\r\n")
                    self._ending = True
                    return b""
                self._buffer = data
                return b""
            line, data = data[:end].rstrip(b"\r"), data[end + 1 :]
            replies.append(self._answer(line))
            if self._in_data:
                return data
        return b""

    def _answer(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        if verb == b"MAIL":
            self._from, self._rcpts = _address(line), []
            return b"250 2.1.0 Ok\r\n"
        if verb == b"RCPT":
            if self._from is None:
                return b"503 5.5.1 MAIL first\r\n"
            self._rcpts.append(_address(line))
            return b"250 2.1.5 Ok\r\n"
        if verb == b"DATA":
            if not self._rcpts:
                return b"503 5.5.1 RCPT first\r\n"
            self._in_data = True
            self._tail = b"\r\n"  # content may begin with its final dot
            return b"354 Go\r\n"
        if verb == b"EHLO":
            return _HELLO % (self._sink.name, self._sink.max_size)
        if verb == b"RSET":
            self._from, self._rcpts = None, []
            return b"250 2.0.0 Ok\r\n"
        if verb == b"HELO" or verb == b"NOOP":
            return b"250 Ok\r\n"
        if verb == b"QUIT":
            self._ending = True
            return b"221 2.0.0 Bye\r\n"
        return b"502 5.5.1 Not here\r\n"


def _address(line: bytes) -> str:
    return line[line.find(b"<") + 1 : line.rfind(b">")].decode("utf-8", "replace")
