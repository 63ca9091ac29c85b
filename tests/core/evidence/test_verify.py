"""A state is computed from what checks find, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mailward.core.evidence.model import Control, Finding, State, failed, not_configured, not_reached, passed
from mailward.core.evidence.verify import state_of, verify

NOW = datetime(2026, 3, 4, tzinfo=UTC)
WHOLE = Control("X-1", "A promise kept in full.")
PART = Control("X-2", "A promise kept in part.", missing="the rest")
DUTY = Control("X-3", "A promise only a person can keep.", duty="do it")


@pytest.mark.parametrize(
    ("control", "findings", "state"),
    [
        (WHOLE, [passed("seen")], State.PROVED),
        (PART, [passed("seen")], State.PARTLY),
        (WHOLE, [passed("seen"), failed("not there")], State.FAILING),
        (WHOLE, [passed("seen"), not_configured("off")], State.PARTLY),
        (WHOLE, [not_configured("off")], State.NOT_CONFIGURED),
        (WHOLE, [passed("seen"), not_reached("late")], State.NOT_REACHED),
        (WHOLE, [failed("not there"), not_reached("late")], State.FAILING),
        (WHOLE, [], State.PLANNED),
        (DUTY, [], State.OPERATOR_DUTY),
    ],
)
def test_state(control: Control, findings: list[Finding], state: State) -> None:
    """The worst finding decides; a part never reads as the whole."""
    assert state_of(control, findings) is state


async def test_a_broken_check_is_a_failing_control() -> None:
    """A check that raises turns its own line red, tells no more than the class, and the next check still runs."""

    async def breaks(_: None) -> Finding:
        raise RuntimeError("secret text")

    async def holds(_: None) -> Finding:
        return passed("seen")

    lines = await verify([WHOLE, PART], {"X-1": [breaks], "X-2": [holds]}, None, now=NOW)
    assert [line.state for line in lines] == [State.FAILING, State.PARTLY]
    assert "RuntimeError" in lines[0].evidence[0]
    assert "secret" not in lines[0].evidence[0]


async def test_a_check_for_an_unknown_promise_is_refused() -> None:
    """A check cannot prove what nobody promised."""

    async def holds(_: None) -> Finding:
        return passed("seen")

    with pytest.raises(ValueError, match="Y-1"):
        await verify([WHOLE], {"Y-1": [holds]}, None, now=NOW)
