"""Run every check and say where each promise stands."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar

from mailward.core.evidence.model import Control, Finding, Line, Ran, Result, State

S = TypeVar("S")
Check = Callable[[S], Awaitable[Finding]]
Within = Callable[[Callable[[], Awaitable[Finding]]], Awaitable[Finding]]
"""Runs a check in the time there is; its finding, or that it was not reached."""


async def _at_leisure(check: Callable[[], Awaitable[Finding]]) -> Finding:
    return await check()


async def verify(
    controls: Sequence[Control],
    checks: Mapping[str, Sequence[Check[S]]],
    subject: S,
    *,
    now: datetime,
    began: Callable[[Control], object] = lambda control: None,
    within: Within = _at_leisure,
) -> list[Line]:
    """One line a control, in catalogue order. A check that raises counts as failing; the others still run.

    `began` is told of each control before its checks run; `within` bounds the time. ValueError when a check names
    a promise that is not among the controls.
    """
    if strangers := set(checks) - {c.id for c in controls}:
        raise ValueError(f"checks for promises that are not in the catalogue: {', '.join(sorted(strangers))}")
    lines = []
    for control in controls:
        began(control)
        own = checks.get(control.id, ())
        findings = [await within(partial(_run, check, subject)) for check in own]
        state = state_of(control, findings)
        evidence = tuple(f.evidence for f in findings)
        ran = tuple(
            Ran(getattr(check, "__name__", "check"), about(check), f.result, f.evidence)
            for check, f in zip(own, findings, strict=True)
        )
        lines.append(Line(control.id, state, control.claim, evidence, control.missing, control.duty, now, ran))
    return lines


def about(check: Callable[..., object]) -> str:
    """What a check does, in the first paragraph it says of itself: the text of it that anyone may read."""
    return " ".join((inspect.getdoc(check) or "").partition("\n\n")[0].split())


def state_of(control: Control, findings: Sequence[Finding]) -> State:
    """The worst finding decides; without one, whether it is the operator's to do."""
    if not findings:
        return State.OPERATOR_DUTY if control.duty and not control.missing else State.PLANNED
    results = {f.result for f in findings}
    if Result.FAILED in results:
        return State.FAILING
    if Result.NOT_REACHED in results:
        return State.NOT_REACHED
    if Result.PASSED not in results:
        return State.NOT_CONFIGURED
    return State.PARTLY if control.missing or Result.NOT_CONFIGURED in results else State.PROVED


async def _run(check: Check[S], subject: S) -> Finding:
    try:
        return await check(subject)
    except Exception as e:
        # The class tells the operator where to look; its text could hold anything.
        return Finding(Result.FAILED, f"the check itself broke ({type(e).__name__})")
