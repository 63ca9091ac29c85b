"""The questions asked of listeners find a listener that is lax."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import msgspec
import pytest
from cryptography import x509

from mailward.app.certificates import ensure_self_signed, server_context
from mailward.app.checks.network import listening, processes_of
from mailward.app.checks.transport import nothing_before_tls, old_tls_fails, the_newest_certificate_is_served
from mailward.app.context import Context
from mailward.app.settings import Settings, Submission
from mailward.core.certificates.model import Certificate, Standing
from mailward.core.evidence.model import Result
from tests.scenarios.peers import Postfix, free_port

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def lax() -> Iterator[Postfix]:
    """A server that takes mail in the clear."""
    with Postfix(free_port()) as running:
        yield running


def _context(starttls: list[str] | None = None, implicit: list[str] | None = None) -> Context:
    submission = Submission(starttls=starttls or [], implicit=implicit or [])
    return cast(Context, SimpleNamespace(settings=Settings(submission=submission)))


@pytest.mark.claim("TRANSIT-2")
async def test_a_listener_that_takes_mail_in_the_clear_fails(lax: Postfix) -> None:
    """Postfix as a plain relay is not what we promise, and the check says so."""
    found = await nothing_before_tls(_context(starttls=[f"127.0.0.1:{lax.port}"]))
    assert found.result is Result.FAILED


async def test_nobody_there_fails() -> None:
    """A listener that does not answer proves nothing."""
    found = await nothing_before_tls(_context(starttls=[f"127.0.0.1:{free_port()}"]))
    assert found.result is Result.FAILED
    assert "running" in found.evidence


@pytest.mark.claim("TRANSIT-1")
async def test_a_listener_without_tls_fails(lax: Postfix) -> None:
    """A plain port in the place of an implicit-TLS one is found."""
    found = await old_tls_fails(_context(implicit=[f"127.0.0.1:{lax.port}"]))
    assert found.result is Result.FAILED


async def test_no_listener_is_not_configured() -> None:
    """Off is not the same as good."""
    assert (await nothing_before_tls(_context())).result is Result.NOT_CONFIGURED
    assert (await old_tls_fails(_context())).result is Result.NOT_CONFIGURED


@pytest.mark.claim("NET-1")
def test_listening_sockets_are_seen(lax: Postfix) -> None:
    """/proc shows what a process tree listens on, and nothing of others."""
    (lax.folder / "mailward.lock").write_text(f"{lax.master_pid}\n")
    assert ("127.0.0.1", lax.port) in listening(processes_of(lax.folder))
    assert ("127.0.0.1", lax.port) not in listening({os.getpid()})


@pytest.mark.claim("TRANSIT-1")
async def test_weak_tls_behind_starttls_fails(tmp_path: Path) -> None:
    """A server that takes a suite without forward secrecy, or TLS 1.1, is found; one on our policy passes."""
    good = server_context(*ensure_self_signed(tmp_path, "x.test", NOW))
    weak = server_context(*ensure_self_signed(tmp_path, "x.test", NOW))
    weak.set_ciphers("ALL:@SECLEVEL=0")
    old = server_context(*ensure_self_signed(tmp_path, "x.test", NOW))
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    for context, result in ((good, Result.PASSED), (weak, Result.FAILED), (old, Result.FAILED)):
        server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0, ssl=context)
        async with server:
            found = await old_tls_fails(_context(implicit=[f"127.0.0.1:{server.sockets[0].getsockname()[1]}"]))
        assert found.result is result, found.evidence


@pytest.mark.claim("TRANSIT-3")
async def test_a_listener_that_shows_another_certificate_fails(tmp_path: Path) -> None:
    """The check compares what is served with what was issued last, and knows an end that passed and a failed order."""
    pair = ensure_self_signed(tmp_path, "x.test", NOW)
    serial = f"{x509.load_pem_x509_certificate(pair[0].read_bytes()).serial_number:x}"
    held = Certificate(serial=serial, names=("x.test",), issued=NOW, expires=NOW + timedelta(days=90))
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0, ssl=server_context(*pair))
    async with server:
        port = server.sockets[0].getsockname()[1]

        async def result(newest: Certificate | None, standing: Standing = Standing(), days: int = 1) -> Result:  # noqa: B008
            answers = iter((newest, standing))

            async def read(_: object) -> object:
                return next(answers)

            context = _context(implicit=[f"127.0.0.1:{port}"])
            context.settings.tls.acme.directory = "https://localhost/dir"
            clock = SimpleNamespace(now=lambda: NOW + timedelta(days=days))
            whole = SimpleNamespace(settings=context.settings, clock=clock, store=SimpleNamespace(system_read=read))
            return (await the_newest_certificate_is_served(cast(Context, whole))).result

        assert await result(held) is Result.PASSED
        assert await result(None) is Result.FAILED
        assert await result(msgspec.structs.replace(held, serial="0a")) is Result.FAILED
        assert await result(held, days=91) is Result.FAILED
        assert await result(held, Standing(failures=3, error="no"), days=70) is Result.FAILED
    assert (await the_newest_certificate_is_served(_context())).result is Result.NOT_CONFIGURED
