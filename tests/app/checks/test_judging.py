"""The check of the judge of received mail: it holds, and a judge that does not do its part fails it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from mailward.app.checks import judging
from mailward.app.context import Context
from mailward.app.inbound.authentication import Authenticated, Authenticator
from mailward.core.evidence.model import Result
from tests.conftest import MovingClock


@pytest.fixture
def context(clock: MovingClock) -> Context:
    return cast(Context, SimpleNamespace(clock=clock))


async def test_the_judge(context: Context) -> None:
    """Genuine, forwarded, altered, unsigned and sealed messages are judged as they should be."""
    finding = await judging.mail_is_judged(context)
    assert finding.result is Result.PASSED, finding


async def test_a_judge_that_passes_everything_is_found_out(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that takes every message for the sender's own, and a sealer whose seals are worth nothing."""
    with monkeypatch.context() as patch:
        patch.setattr(judging, "_STRANGER", judging._SENDER)
        finding = await judging.mail_is_judged(context)
        assert (finding.result, "forwarded" in finding.evidence) == (Result.FAILED, True)
    monkeypatch.setattr(judging, "seal", lambda *a, **k: b"")
    finding = await judging.mail_is_judged(context)
    assert (finding.result, "a sealed chain" in finding.evidence) == (Result.FAILED, True)
    authenticate = Authenticator.authenticate

    async def careless(self: Authenticator, content: bytes, **more: Any) -> Authenticated:
        return await authenticate(self, content.replace(b"forged", b"signed"), **more)

    monkeypatch.setattr(Authenticator, "authenticate", careless)
    finding = await judging.mail_is_judged(context)
    assert (finding.result, "altered" in finding.evidence) == (Result.FAILED, True)
