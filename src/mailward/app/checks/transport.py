"""TRANSIT-1 and TRANSIT-2, asked of the listeners that run."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
import warnings

from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.app.settings import is_loopback, split_address
from mailward.core.evidence.model import Finding, failed, not_configured, passed

_SECONDS = 10.0


class Talk:
    """A bare SMTP dialogue for asking a listener what it does."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.greeting = ""

    @classmethod
    async def open(cls, address: str, source: str = "") -> Talk:
        """Connect to `address:port`, as the machine itself reaches it, from a loopback address if one is named."""
        host, port = split_address(address)
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # read from settings, not bound
        async with asyncio.timeout(_SECONDS):
            local = (source, 0) if source and host.startswith("127.") else None
            return cls(*await asyncio.open_connection(host, port, local_addr=local))

    async def answer(self) -> str:
        """One reply, all its lines."""
        text = ""
        async with asyncio.timeout(_SECONDS):
            while line := (await self.reader.readline()).decode("utf-8", "replace"):
                text += line
                if line[3:4] != "-":
                    break
        return text

    async def say(self, command: str) -> str:
        """One command and its reply."""
        self.writer.write(command.encode() + b"\r\n")
        return await self.answer()

    async def leave(self) -> None:
        """End the connection at once; the socket is closed on return."""
        self.writer.transport.abort()
        with contextlib.suppress(OSError, ssl.SSLError):
            await self.writer.wait_closed()


def lenient(version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """A client that takes any certificate; with `version` it offers that one alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if version is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = version
        context.set_ciphers("ALL:@SECLEVEL=0")
    return context


@check("TRANSIT-2")
async def nothing_before_tls(context: Context) -> Finding:
    """AUTH and MAIL in the clear are refused, AUTH is not offered, and a command sent behind STARTTLS is forgotten."""
    listeners = context.settings.submission.starttls
    if not listeners:
        return not_configured("no STARTTLS listener")
    for address in listeners:
        try:
            talk = await Talk.open(address)
        except OSError:
            return failed(f"{address} does not answer; is the platform running?")
        try:
            await talk.answer()
            offered = await talk.say("EHLO verify.invalid")
            if "AUTH" in offered.upper() or "STARTTLS" not in offered.upper():
                return failed(f"{address} offers AUTH before TLS, or no STARTTLS")
            for command in ("AUTH PLAIN AGEAYg==", "MAIL FROM:<verify@verify.invalid>"):
                reply = await talk.say(command)
                if not reply.startswith(("530", "538")):
                    return failed(f"{address} answered {reply[:3]} to {command.split()[0]} in the clear")
            talk.writer.write(b"STARTTLS\r\nVRFY injected\r\n")
            reply = await talk.answer()
            if not reply.startswith("220"):
                # Refusing the handshake when more follows is right, too.
                continue
            try:
                async with asyncio.timeout(_SECONDS):
                    await talk.writer.start_tls(lenient())
            except (OSError, ssl.SSLError):
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    if await talk.reader.read(1):
                        return failed(f"{address} answered a command sent before the handshake")
        finally:
            await talk.leave()
    private = context.settings.submission.private
    note = f"; a private listener for source networks is on at {', '.join(private)}" if private else ""
    return passed(f"asked {', '.join(listeners)}: AUTH and MAIL get 530 before TLS, injected commands vanish{note}")


@check("TRANSIT-2")
async def the_api_needs_tls(context: Context) -> Finding:
    """A plain HTTP request with a key to each listener beyond loopback is not answered by the API."""
    beyond = [a for a in context.settings.http.listen if not is_loopback(split_address(a)[0])]
    for address in beyond:
        try:
            talk = await Talk.open(address)
        except OSError:
            return failed(f"{address} does not answer; is the platform running?")
        try:
            talk.writer.write(b"GET /v1/workspace HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\n\r\n")
            async with asyncio.timeout(_SECONDS):
                first = await talk.reader.read(64)
        except (OSError, TimeoutError):
            first = b""
        finally:
            await talk.leave()
        if re.match(rb"HTTP/1\.1 (?!400|403|426)", first):
            return failed(f"{address} answers the API without TLS")
    if not beyond:
        return passed("the HTTP API listens on loopback only")
    return passed(f"asked {', '.join(beyond)}: plain HTTP is not answered")


@check("TRANSIT-1")
async def old_tls_fails(context: Context) -> Finding:
    """TLS 1.0 and 1.1 handshakes fail and TLS 1.2 and 1.3 ones succeed on every implicit-TLS listener."""
    listeners = context.settings.submission.implicit
    if not listeners:
        return not_configured("no TLS listener")
    expected = {
        ssl.TLSVersion.TLSv1: False,
        ssl.TLSVersion.TLSv1_1: False,
        ssl.TLSVersion.TLSv1_2: True,
        ssl.TLSVersion.TLSv1_3: True,
    }
    for address in listeners:
        for version, wanted in expected.items():
            if await _handshake(address, version) is not wanted:
                return failed(f"{address}: {version.name} {'fails' if wanted else 'is accepted'}")
    return passed(f"asked {', '.join(listeners)}: TLS 1.0 and 1.1 fail, 1.2 and 1.3 succeed")


async def _handshake(address: str, version: ssl.TLSVersion) -> bool:
    host, port = split_address(address)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # read from settings, not bound
    try:
        async with asyncio.timeout(_SECONDS):
            _, writer = await asyncio.open_connection(host, port, ssl=lenient(version))
    except (OSError, ssl.SSLError):
        return False
    writer.transport.abort()
    with contextlib.suppress(OSError, ssl.SSLError):
        await writer.wait_closed()
    return True
