"""TRANSIT-1, TRANSIT-2 and TRANSIT-3, asked of the listeners that run."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
import warnings
from datetime import timedelta

from cryptography import x509

from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.app.receiving import DEFAULT
from mailward.app.settings import is_loopback, split_address
from mailward.core.certificates import order
from mailward.core.certificates.model import when
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
    """On every listener that speaks TLS, versions 1.0 and 1.1 and weak suites fail, 1.2 and 1.3 succeed."""
    listeners = tls_listeners(context)
    if not listeners:
        return not_configured("no TLS listener")
    for address, starttls in listeners:
        for version, wanted in _EXPECTED.items():
            if (await shown(address, starttls, lenient(version)) is not None) is not wanted:
                return failed(f"{address}: {version.name} {'fails' if wanted else 'is accepted'}")
        if await shown(address, starttls, _weak()) is not None:
            return failed(f"{address}: a suite without forward secrecy or with CBC is accepted")
    names = ", ".join(address for address, _ in listeners)
    return passed(f"asked {names}: TLS 1.0, 1.1 and weak suites fail, 1.2 and 1.3 succeed")


@check("TRANSIT-3")
async def the_newest_certificate_is_served(context: Context) -> Finding:
    """What an authority issued last is valid, not overdue for renewal, and what every TLS listener shows."""
    if not context.settings.tls.acme.directory:
        return not_configured("no authority is set (tls.acme); certificates are files, or self-signed")
    held = await context.store.system_read(lambda tx: tx.certificates.newest())
    standing = await context.store.system_read(order.standing)
    if held is None:
        return failed("the authority has issued nothing yet" + (f": {standing.error}" if standing.error else ""))
    now = context.clock.now()
    if held.expires <= now:
        return failed(f"the certificate expired on {held.expires:%Y-%m-%d %H:%M} UTC")
    # A day of grace: an order may wait for its pause after a failure.
    if when(held, standing, 0.0) + timedelta(days=1) < now and standing.failures:
        return failed(f"renewal is overdue after {standing.failures} failures: {standing.error}")
    listeners = tls_listeners(context)
    for address, starttls in listeners:
        der = await shown(address, starttls, lenient())
        if der is None:
            return failed(f"{address} does not speak TLS; is the platform running?")
        if (serial := f"{x509.load_der_x509_certificate(der).serial_number:x}") != held.serial:
            return failed(f"{address} shows the certificate {serial}, not the newest, {held.serial}")
    return passed(f"{len(listeners)} listeners show {held.serial}, valid until {held.expires:%Y-%m-%d}")


_EXPECTED = {
    ssl.TLSVersion.TLSv1: False,
    ssl.TLSVersion.TLSv1_1: False,
    ssl.TLSVersion.TLSv1_2: True,
    ssl.TLSVersion.TLSv1_3: True,
}


def tls_listeners(context: Context) -> list[tuple[str, bool]]:
    """(address:port, by STARTTLS) of all listeners that speak TLS."""
    s = context.settings
    implicit = [a for a in s.http.listen if s.http.speaks_tls(a)] + list(s.submission.implicit)
    mx = [a for a in s.mx.listen if a != DEFAULT]
    return [(a, False) for a in implicit] + [(a, True) for a in (*s.submission.starttls, *mx)]


def _weak() -> ssl.SSLContext:
    """A client of TLS 1.2 that offers what must not be taken: CBC, and key exchange without forward secrecy."""
    context = lenient(ssl.TLSVersion.TLSv1_2)
    context.set_ciphers("AES128-SHA:AES256-SHA256:AES128-GCM-SHA256:ECDHE+AES+SHA:ECDHE+AES+SHA256:!AESGCM:@SECLEVEL=0")
    return context


async def shown(address: str, starttls: bool, client: ssl.SSLContext) -> bytes | None:
    """The certificate (DER) of a handshake, None when there is none."""
    try:
        talk = await Talk.open(address)
    except OSError:
        return None
    try:
        if starttls:
            await talk.answer()
            await talk.say("EHLO verify.invalid")
            if not (await talk.say("STARTTLS")).startswith("220"):
                return None
        async with asyncio.timeout(_SECONDS):
            await talk.writer.start_tls(client)
        tls = talk.writer.get_extra_info("ssl_object")
        der: bytes | None = tls.getpeercert(binary_form=True)
        return der
    except (OSError, TimeoutError):
        return None
    finally:
        await talk.leave()
