"""What scanners say, and how several of them become one verdict. The worst one counts; silence is never "clean"."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol


class Verdict(StrEnum):
    """What one scanner, or all of them, found."""

    CLEAN = "clean"
    SKIPPED = "skipped"
    SUSPICIOUS = "suspicious"
    SPAM = "spam"
    UNAVAILABLE = "unavailable"
    INFECTED = "infected"


# What is known to be malware stays malware when another scanner is away; what is merely not known to be is not clean.
_WEIGHT = {
    Verdict.SKIPPED: 0,
    Verdict.CLEAN: 1,
    Verdict.SUSPICIOUS: 2,
    Verdict.SPAM: 3,
    Verdict.UNAVAILABLE: 4,
    Verdict.INFECTED: 5,
}
_MOST = 20  # names of rules, signatures and symbols kept of each scanner
_LONGEST = 120


class Subject(NamedTuple):
    """What a scanner may know beside the octets: how the message came."""

    ip: str
    helo: str
    mail_from: str
    recipients: tuple[str, ...]


class Report(NamedTuple):
    """One scanner's answer. `matches` are names of rules or signatures, `symbols` what a spam score is made of."""

    engine: str
    verdict: Verdict
    reason: str = ""
    matches: tuple[str, ...] = ()
    score: float | None = None
    symbols: tuple[str, ...] = ()


class Scanner(Protocol):
    """Something that looks at a whole message."""

    @property
    def name(self) -> str:
        """The engine, as reports name it."""
        ...

    async def scan(self, content: bytes, subject: Subject) -> Report:
        """Its report; UNAVAILABLE when it cannot be reached, answers nonsense or takes too long. Never raises."""
        ...


def unavailable(engine: str, reason: str) -> Report:
    """The report of a scanner that is down."""
    return Report(engine, Verdict.UNAVAILABLE, reason)


def combine(reports: Sequence[Report]) -> Report:
    """One report for all: the worst verdict with its reason, every match with its engine, the first spam score."""
    if not reports:
        return Report("", Verdict.SKIPPED)
    worst = max(reports, key=lambda report: _WEIGHT[report.verdict])
    matches = tuple(f"{r.engine}:{name}"[:_LONGEST] for r in reports for name in r.matches[:_MOST])
    scored = next((r for r in reports if r.score is not None), None)
    return Report(
        ",".join(r.engine for r in reports),
        worst.verdict,
        worst.reason,
        matches,
        scored.score if scored else None,
        tuple(s[:_LONGEST] for s in scored.symbols[:_MOST]) if scored else (),
    )
