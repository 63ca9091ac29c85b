"""One question to each door, as a client would ask it, that leaves neither mail nor a message behind."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Sequence

from mailward.app.settings import Settings, is_loopback, split_address
from mailward.core.availability.model import Minute

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  # read from settings, not bound
_SEND = b"POST /v1/messages HTTP/1.1\r\nHost: probe.invalid\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_READY = b"GET /readyz HTTP/1.1\r\nHost: probe.invalid\r\nConnection: close\r\n\r\n"


class Unanswered(Exception):
    """The door answered, but not as it does when all is well."""


class Probes:
    """The doors of an installation as its settings name them."""

    def __init__(self, settings: Settings) -> None:
        self._own = settings
        self._options = settings.availability

    async def measure(self, minute: int) -> Minute | None:
        """Ask every door at once; None when there is none that could be asked."""
        roles, options, own = self._own.server.roles, self._options, self._own
        http = options.api or ("web" in roles and _first(own.http.listen)) or ""
        starttls = options.submission or ("submission" in roles and _first(own.submission.starttls)) or ""
        mx = options.mx or ("mx" in roles and _first(own.mx.listen)) or ""
        api, submission, mail = await asyncio.gather(
            _within(options.api_ms, http, ask_api),
            _within(options.submission_ms, starttls, ask_submission),
            _within(options.mx_ms, mx, ask_mx),
        )
        if api is None and submission is None and mail is None:
            return None
        return Minute(minute, api, submission, mail)


def _first(listen: Sequence[str]) -> str:
    """Loopback first: what comes from there is not counted against a stranger's limits."""
    return next((a for a in listen if is_loopback(split_address(a)[0])), listen[0] if listen else "")


async def _within(limit_ms: int, address: str, ask: Callable[[str], Awaitable[None]]) -> bool | None:
    if not address:
        return None
    try:
        async with asyncio.timeout(limit_ms / 1000):
            await ask(address)
    except (OSError, TimeoutError, Unanswered, ValueError, asyncio.LimitOverrunError):
        return False
    return True


async def ask_api(address: str) -> None:
    """The store behind the API answers, and the send operation asks for a key."""
    if await _http(address, _READY) != 200:
        raise Unanswered("not ready")
    if await _http(address, _SEND) != 401:
        raise Unanswered("sending does not ask for a key")


async def ask_submission(address: str) -> None:
    """Greeting, STARTTLS, and AUTH is offered behind it."""
    async with _Dialogue(address) as door:
        await door.expect(b"", b"220")
        await door.expect(b"EHLO probe.invalid", b"250")
        await door.expect(b"STARTTLS", b"220")
        await door.writer.start_tls(_lenient())
        if b"AUTH" not in await door.expect(b"EHLO probe.invalid", b"250"):
            raise Unanswered("no AUTH")
        await door.expect(b"QUIT", b"221")


async def ask_mx(address: str) -> None:
    """An address that nobody has is refused for good, which only a working look-up can say."""
    async with _Dialogue(address) as door:
        await door.expect(b"", b"220")
        await door.expect(b"EHLO probe.invalid", b"250")
        await door.expect(b"MAIL FROM:<>", b"250")
        await door.expect(b"RCPT TO:<probe@probe.invalid>", b"5")
        await door.expect(b"QUIT", b"221")


class _Dialogue:
    """SMTP as far as a probe needs it."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def __aenter__(self) -> _Dialogue:
        host, port = split_address(self._address)
        self._reader, self.writer = await asyncio.open_connection(_ANYWHERE.get(host, host), port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.transport.abort()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    async def expect(self, command: bytes, code: bytes) -> bytes:
        """Say something and read the reply; Unanswered unless its code begins so."""
        if command:
            self.writer.write(command + b"\r\n")
        reply = b""
        while True:
            line = await self._reader.readline()
            reply += line
            if line[3:4] != b"-":
                break
        if not reply.startswith(code):
            raise Unanswered("another reply")
        return reply


async def _http(address: str, request: bytes) -> int:
    host, port = split_address(address)
    host = _ANYWHERE.get(host, host)
    # Plain HTTP is answered on loopback alone: a listener anywhere else speaks TLS.
    plain = is_loopback(split_address(address)[0])
    reader, writer = await asyncio.open_connection(host, port, ssl=None if plain else _lenient())
    try:
        writer.write(request)
        return int((await reader.readline()).split(b" ")[1])
    except IndexError:
        raise Unanswered("no status") from None
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _lenient() -> ssl.SSLContext:
    # Whether the certificate is good is another promise's check; here it matters that the door answers.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
