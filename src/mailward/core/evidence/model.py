"""Nouns of evidence: controls, findings, states."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class State(StrEnum):
    """Where a promise stands. Computed at each run, never stored as a wish.

    `NOT_REACHED`: the time for the run was up before its checks had ended. Nothing is known then, and nothing stored.
    """

    PROVED = "proved"
    PARTLY = "partly_proved"
    FAILING = "failing"
    NOT_CONFIGURED = "not_configured"
    OPERATOR_DUTY = "operator_duty"
    PLANNED = "planned"
    NOT_REACHED = "not_reached"


@dataclass(frozen=True, slots=True)
class Control:
    """A promise as the product makes it.

    `missing` names what the software does not do yet, so that a passing check never claims it;
    `duty` is what only the operator can do or state.
    """

    id: str
    claim: str
    missing: str = ""
    duty: str = ""


class Result(StrEnum):
    """What a check found."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CONFIGURED = "not_configured"
    NOT_REACHED = "not_reached"


@dataclass(frozen=True, slots=True)
class Finding:
    """A check's answer. `evidence` says what was looked at and seen, without content, addresses or secrets."""

    result: Result
    evidence: str


@dataclass(frozen=True, slots=True)
class Ran:
    """One check that ran: `about` is what it does, for anyone to read; `evidence` is for whoever runs the installation.

    Evidence holds no content, address or secret, but may count and name parts of the installation.
    """

    name: str
    about: str
    result: Result
    evidence: str


@dataclass(frozen=True, slots=True)
class Line:
    """One control with its state, the evidence of each of its checks, and when they ran."""

    id: str
    state: State
    claim: str
    evidence: tuple[str, ...]
    missing: str
    duty: str
    at: datetime
    ran: tuple[Ran, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """A run of checks: when, what caused it ("schedule" or "command"), and how many controls stood where."""

    at: datetime
    cause: str
    summary: dict[str, int]


@dataclass(frozen=True, slots=True)
class Change:
    """A control that stood in another state than at the run before."""

    control: str
    at: datetime
    state: State


def passed(evidence: str) -> Finding:
    """The control holds."""
    return Finding(Result.PASSED, evidence)


def failed(evidence: str) -> Finding:
    """It does not."""
    return Finding(Result.FAILED, evidence)


def not_configured(evidence: str) -> Finding:
    """Nothing here to check, and why."""
    return Finding(Result.NOT_CONFIGURED, evidence)


def not_reached(evidence: str) -> Finding:
    """The time for the run was up before it was known."""
    return Finding(Result.NOT_REACHED, evidence)
