"""TRANSIT-5: the courier that delivers, sent to servers that offer TLS and that do not; and what attempts recorded."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from mailward.adapters.net.courier import CourierJob, CourierResult, PoolOptions, SmtpCourier
from mailward.app.certificates import ensure_self_signed, server_context
from mailward.app.checks.registry import check
from mailward.app.context import Context
from mailward.app.store import Tx
from mailward.base.outcome import Done
from mailward.core.evidence.model import Finding, failed, passed
from mailward.core.messages.model import AttemptFacts
from mailward.policy.tls import TlsPolicy

_CONTENT = b"From: verify@verify.invalid\r\nSubject: verify\r\n\r\nA question.\r\n"
_RECENT = 100


class _Peer:
    """A mail server for one question: takes everything, offers STARTTLS if it has a context."""

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self._tls = tls
        self.in_clear = 0
        self.encrypted = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One session."""
        with contextlib.suppress(OSError, ssl.SSLError, asyncio.IncompleteReadError):
            await self._talk(reader, writer)
        writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        secure = False
        writer.write(b"220 verify.invalid ESMTP\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                offer = b"250-STARTTLS\r\n" if self._tls and not secure else b""
                writer.write(b"250-verify.invalid\r\n" + offer + b"250 8BITMIME\r\n")
            elif verb == b"STAR" and self._tls is not None:
                writer.write(b"220 2.0.0 Go\r\n")
                await writer.drain()
                await writer.start_tls(self._tls)
                secure = True
            elif verb == b"DATA":
                writer.write(b"354 Go\r\n")
                await reader.readuntil(b"\r\n.\r\n")
                self.encrypted += secure
                self.in_clear += not secure
                writer.write(b"250 2.0.0 Taken\r\n")
            elif verb == b"QUIT":
                writer.write(b"221 2.0.0 Bye\r\n")
                return
            else:
                writer.write(b"250 2.0.0 Ok\r\n")


@asynccontextmanager
async def _listening(peer: _Peer) -> AsyncIterator[int]:
    server = await asyncio.start_server(peer.talk, "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await server.wait_closed()


async def _send(courier: SmtpCourier, port: int, policy: TlsPolicy) -> CourierResult:
    job = CourierJob(
        f"verify:{port}:{policy.value}", (("mx.verify.invalid", "127.0.0.1", port),), policy, "verify.invalid",
        "verify@verify.invalid", ("nobody@verify.invalid",), _CONTENT,
    )  # fmt: skip
    return await courier.deliver(job)


@check("TRANSIT-5")
async def tls_whenever_offered(context: Context) -> Finding:
    """The real courier: encrypted where TLS is offered, in clear where not, nothing where it is demanded in vain."""
    courier = SmtpCourier(PoolOptions(timeout_scale=0.05, final_dot=30.0))
    with tempfile.TemporaryDirectory() as folder:
        pair = await asyncio.to_thread(ensure_self_signed, Path(folder), "mx.verify.invalid", context.clock.now())
        offering, silent = _Peer(server_context(*pair)), _Peer(None)
        try:
            async with _listening(offering) as tls_port, _listening(silent) as clear_port:
                offered = await _send(courier, tls_port, TlsPolicy.OPPORTUNISTIC)
                plain = await _send(courier, clear_port, TlsPolicy.OPPORTUNISTIC)
                before = silent.in_clear, offering.encrypted + offering.in_clear
                stripped = await _send(courier, clear_port, TlsPolicy.ENCRYPT)
                impostor = await _send(courier, tls_port, TlsPolicy.VERIFY)
                after = silent.in_clear, offering.encrypted + offering.in_clear
        finally:
            await courier.close(0.1)
    if not isinstance(offered.outcomes[0], Done) or offering.in_clear or offered.tls is None:
        return failed("a server that offers TLS got its mail in clear, or the attempt kept no TLS facts")
    if not isinstance(plain.outcomes[0], Done) or plain.tls is not None:
        return failed("a server without TLS got no mail, or the attempt claims TLS")
    if after != before or isinstance(stripped.outcomes[0], Done) or isinstance(impostor.outcomes[0], Done):
        return failed("a hop that demands TLS, or a verified name, was given mail without it")
    attempts = await recent_attempts(context)
    careless = sum(1 for a in attempts if _offered(a) and not a.tls)
    if careless:
        return failed(f"{careless} of {len(attempts)} recent deliveries went in clear to a server that offered TLS")
    return passed(
        f"{offered.tls.version} to a server that offers it, clear only to one that does not; with TLS or a name "
        f"demanded, a stripped offer and a wrong certificate got nothing; none of {len(attempts)} recent deliveries "
        "ignored an offer"
    )


async def recent_attempts(context: Context) -> list[AttemptFacts]:
    """Delivered attempts of the workspace's newest messages."""

    async def read(tx: Tx) -> list[AttemptFacts]:
        messages = await tx.messages.page(before=None, limit=_RECENT)
        tried = [a.facts for m in messages for a in await tx.deliveries.attempts(m.id)]
        return [facts for facts in tried if facts.outcome == "delivered"]

    return await context.store.read(context.actor.workspace, read)


def _offered(facts: AttemptFacts) -> bool:
    """Whether the server's answer to EHLO named STARTTLS."""
    return any("STARTTLS" in line.upper() for _, side, line in facts.dialogue if side.startswith(("<", "S", "s")))
