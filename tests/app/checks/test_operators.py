"""The drill of break-glass, reviews and register: it passes as things are, and notices what is switched off."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mailward.app.checks.breakglass import Drill, break_glass, lapse, quarter
from mailward.core.operators import grants, review
from mailward.core.operators.model import Grant
from tests.conftest import SeededEntropy


@pytest.fixture
async def drill(tmp_path: Path, entropy: SeededEntropy) -> AsyncIterator[Drill]:
    made = Drill(tmp_path, entropy)
    await made.open()
    yield made
    await made.close()


@pytest.mark.parametrize("part", [break_glass, quarter, lapse])
async def test_the_drill_holds(drill: Drill, part: Any) -> None:
    """Nothing is wrong with the platform as it is."""
    assert await part(drill) == []


@pytest.mark.claim("AUTHZ-3")
async def test_it_notices_a_grant_that_does_not_end(drill: Drill, monkeypatch: pytest.MonkeyPatch) -> None:
    """A grant that is believed for ever is found."""
    monkeypatch.setattr(Grant, "is_live", lambda self, now: True)
    assert "a key was unwrapped after the grant's time" in await break_glass(drill)


@pytest.mark.claim("AUTHZ-3")
async def test_it_notices_a_vault_without_a_guard(drill: Drill) -> None:
    """A vault that asks nobody is found, and that nothing was logged."""

    async def nobody(workspace: bytes, reader: Any) -> None:
        return None

    drill.keys._guard = nobody
    wrong = await break_glass(drill)
    assert "a key was unwrapped on a request" in wrong
    assert "a read is not in the customer's log" in wrong


@pytest.mark.claim("AUTHZ-4")
async def test_it_notices_reviews_that_have_no_end(drill: Drill, monkeypatch: pytest.MonkeyPatch) -> None:
    """A review nobody enforces is found."""

    async def never(*_: Any, **__: Any) -> None:
        return None

    monkeypatch.setattr(review, "suspend", never)
    assert "what nobody reviewed was not suspended, or what was kept was" in await quarter(drill)


@pytest.mark.claim("PEOPLE-1")
async def test_it_notices_a_register_nobody_reads(drill: Drill, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lapse that blocks nothing is found."""
    monkeypatch.setattr(grants, "require_in_order", lambda operator, now: None)
    assert await lapse(drill) == ["a lapsed operator was not refused"]


@pytest.mark.claim("AUTHZ-4")
@pytest.mark.parametrize("term", ["ESCALATES", "SUSPENDS"])
async def test_it_notices_terms_that_are_longer_than_promised(
    drill: Drill, monkeypatch: pytest.MonkeyPatch, term: str
) -> None:
    """Whatever the verbs take for late: the drill waits as long as the documents say."""
    monkeypatch.setattr(review, term, timedelta(days=100))
    assert await quarter(drill)
