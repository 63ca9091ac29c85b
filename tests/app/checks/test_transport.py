"""The questions asked of listeners find a listener that is lax."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import pytest

from mailward.app.checks.network import listening, processes_of
from mailward.app.checks.transport import nothing_before_tls, old_tls_fails
from mailward.app.context import Context
from mailward.app.settings import Settings, Submission
from mailward.core.evidence.model import Result
from tests.scenarios.peers import Postfix, free_port


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
