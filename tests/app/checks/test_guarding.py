"""The checks of the guard can fail."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from mailward.app.checks import guarding
from mailward.app.context import Context
from mailward.core.evidence.model import Result
from mailward.core.guard import tries
from mailward.core.guard.model import Digests
from mailward.policy import detection, reputation
from mailward.policy.suspicion import Level, Suspicion, assess
from tests.conftest import SeededEntropy

NOW = datetime(2026, 3, 4, 14, tzinfo=UTC)


@dataclass
class Here:
    """What the replays use of a context."""

    store: Any
    entropy: SeededEntropy
    clock: Any = None


def test_a_judge_that_holds_nothing_is_found_out() -> None:
    """Every signal is named when none is held, and when a confirmed browser is held as well."""
    assert guarding.replayed(assess, NOW) == []
    assert len(guarding.replayed(lambda facts: Suspicion(), NOW)) == 6
    assert len(guarding.replayed(lambda facts: Suspicion(Level.HIGH), NOW)) == 6


@pytest.mark.parametrize("store", ["embedded"], indirect=True)
async def test_a_guard_that_counts_nothing_is_found_out(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the guard as it is the storm is bounded; when tries are not counted it is not."""

    async def storm() -> str:
        return str(await store.system_write(lambda tx: guarding.storm(tx, Digests(bytes(32)), "a@b.example", NOW)))

    assert await storm() == ""

    async def nothing(*_: Any, **__: Any) -> None:
        return None

    monkeypatch.setattr(tries, "count_try", nothing)
    assert "200 guesses" in await storm()


@pytest.mark.parametrize("attack", [*guarding.ATTACKS, ""])
async def test_each_replay_raises_its_alert_and_nothing_stays(store: Any, entropy: SeededEntropy, attack: str) -> None:
    """On both stores; a normal week raises none, and the transaction is undone."""
    context = cast(Context, Here(store, entropy))
    found = await guarding._rehearse(context, lambda tx: guarding.replay(context, tx, attack, NOW))
    assert found == (guarding.ATTACKS[attack][0] if attack else "")
    assert await store.system_read(lambda tx: tx.guard.observed(0)) == []


@pytest.mark.parametrize("rule", [*guarding.RETURNS, ""])
async def test_each_replay_of_what_comes_back_raises_its_alert(store: Any, entropy: SeededEntropy, rule: str) -> None:
    """On both stores, and nothing stays."""
    context = cast(Context, Here(store, entropy))
    assert await guarding._rehearse(context, lambda tx: guarding.replay_returns(context, tx, rule, NOW)) == rule
    assert await store.system_read(lambda tx: tx.guard.alerts(before=None, limit=9)) == []


@pytest.mark.parametrize("store", ["embedded"], indirect=True)
async def test_rules_that_see_nothing_come_back_are_found_out(
    store: Any, entropy: SeededEntropy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without rules on bounces and complaints the check of LOG-3 fails; with them it passes."""

    @dataclass
    class Clock:
        def now(self) -> datetime:
            return NOW

    context = cast(Context, Here(store, entropy, Clock()))
    assert (await guarding.alerts_explain_themselves(context)).result is Result.PASSED
    monkeypatch.setattr(reputation, "_MEASURES", reputation._MEASURES[:1])
    found = await guarding.alerts_explain_themselves(context)
    assert (found.result, found.evidence) == (Result.FAILED, "replayed complaint-rate: raised nothing")


@pytest.mark.claim("NET-4")
@pytest.mark.parametrize("store", ["embedded"], indirect=True)
async def test_each_rule_that_is_left_out_is_found_out(
    store: Any, entropy: SeededEntropy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One by one; and one that takes a normal week for an attack."""

    @dataclass
    class Clock:
        def now(self) -> datetime:
            return NOW

    context = cast(Context, Here(store, entropy, Clock()))
    assert (await guarding.attacks_are_noticed(context)).result is Result.PASSED
    rules = detection.RULES
    always = replace(rules[0], judge=lambda o, slot: f"{o.name} was seen.")
    for wrong in (*(tuple(r for r in rules if r is not rule) for rule in rules), (*rules, always)):
        monkeypatch.setattr(detection, "RULES", wrong)
        assert (await guarding.attacks_are_noticed(context)).result is Result.FAILED
