"""The checks of rates, on what counts in the platform: they hold, and notice what counts nothing or too much."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from mailward.app import allowance, arrivals
from mailward.app.checks import rates
from mailward.app.context import Context
from mailward.core.evidence.model import Result
from mailward.edges.web import endpoint
from mailward.edges.web.api import operations
from mailward.edges.web.limits import LocalLimiter, RateClass
from mailward.policy.gcra import Decision


@pytest.fixture
def context(clock: Any, entropy: Any) -> Context:
    return cast(Context, SimpleNamespace(clock=clock, entropy=entropy))


@pytest.mark.claim("RATE-1")
async def test_rates_that_do_not_bind_are_found(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """For workspaces, for reads alone, one bucket for everybody, one that never fills again, fields left out."""
    assert (await rates.every_operation_has_its_rate(context)).result is Result.PASSED
    real = endpoint.Endpoint._count
    names = [o.name for o in operations() if o.rate is RateClass.READ]
    assert names

    async def failures_alone(self: Any, kind: RateClass, key: str, headers: Any) -> None:
        fields: list[Any] = []
        try:
            await real(self, kind, key, fields)
        except Exception:
            if kind is RateClass.AUTH_FAILURE:
                raise
        headers += fields

    async def not_reads(self: Any, kind: RateClass, key: str, headers: Any) -> None:
        await (failures_alone if kind is RateClass.READ else real)(self, kind, key, headers)

    async def together(self: Any, kind: RateClass, key: str, headers: Any) -> None:
        await real(self, kind, "everybody", headers)

    async def silent(self: Any, kind: RateClass, key: str, headers: Any) -> None:
        await real(self, kind, key, [])

    for wrong in (failures_alone, not_reads, together, silent):
        with monkeypatch.context() as patched:
            patched.setattr(endpoint.Endpoint, "_count", wrong)
            assert (await rates.every_operation_has_its_rate(context)).result is Result.FAILED, wrong

    async def for_ever(self: Any, key: str, rate: Any, cost: int = 1) -> Decision:
        self._monotonic = lambda: 0.0
        return self.spend(key, rate, cost)  # type: ignore[no-any-return]

    monkeypatch.setattr(LocalLimiter, "take", for_ever)
    assert (await rates.every_operation_has_its_rate(context)).result is Result.FAILED


@pytest.mark.claim("RATE-2")
async def test_sources_and_domains_without_a_limit_are_found(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """A domain that is not counted, counted for all workspaces at once, or not where one waits; sources likewise."""
    assert (await rates.sources_and_domains_are_limited(context)).result is Result.PASSED
    asked = allowance.Allowance._asked

    async def uncounted(self: Any, actor: Any, domain: str, recipients: int) -> None:
        return None

    for target, name, wrong in (
        (allowance.Allowance, "_asked", lambda self, actor, domain: []),
        (allowance.Allowance, "_asked", lambda self, actor, domain: asked(self, actor, "all")),
        (allowance.Allowance, "_asked", lambda self, actor, domain: [(domain, r) for _, r in asked(self, actor, "")]),
        (allowance.Allowance, "count", uncounted),
        (arrivals, "source_of", lambda ip: ip),
        (arrivals, "source_of", lambda ip: "all"),
        (arrivals.Arrivals, "opened", lambda self, ip: None),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(target, name, wrong)
            assert (await rates.sources_and_domains_are_limited(context)).result is Result.FAILED, name
