"""A message taken apart and scanned by everything that scans, at the same time; one reading comes out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from mailward.adapters.scanners.examiner import Unexaminable
from mailward.adapters.scanners.frames import Examination
from mailward.base.errors import Unavailable
from mailward.policy.scanning import Report, Scanner, Subject, Verdict, combine, unavailable

ENGINE = "yara"
_VERDICTS = {"malware": Verdict.INFECTED, "spam": Verdict.SPAM, "suspicious": Verdict.SUSPICIOUS}


class Examines(Protocol):
    """Takes one message apart in a limited process."""

    async def examine(self, content: bytes) -> Examination:
        """Raises Unexaminable or Unavailable."""
        ...


class Reading(NamedTuple):
    """What is known of a message's inside. `unexaminable` says why nothing is, or "" when something is."""

    report: Report
    defects: tuple[str, ...] = ()
    unexaminable: str = ""


class Reader:
    """The examiner and the scanners of a worker."""

    def __init__(self, examiner: Examines, scanners: Sequence[Scanner]) -> None:
        self._examiner = examiner
        self._scanners = tuple(scanners)

    async def read(self, content: bytes, subject: Subject) -> Reading:
        """Everything they say. Never raises for what they say or do not say."""
        others = asyncio.gather(*(s.scan(content, subject) for s in self._scanners))
        own, reports = await asyncio.gather(self._own(content), others)
        return own._replace(report=combine([own.report, *reports]))

    async def _own(self, content: bytes) -> Reading:
        try:
            found = await self._examiner.examine(content)
        except Unexaminable as e:
            why = str(e)
            return Reading(Report(ENGINE, Verdict.SUSPICIOUS, why), ("unexaminable",), why)
        except Unavailable as e:
            return Reading(unavailable(ENGINE, e.public))
        defects = (*found.defects, *found.notes)
        if not found.complete:
            why = "running the rules over it takes more time than a message may use"
            return Reading(Report(ENGINE, Verdict.SUSPICIOUS, why), (*defects, "unexaminable"), why)
        return Reading(report_of(found), defects)


def report_of(found: Examination) -> Report:
    """The embedded engine's report: the worst severity of the rules that matched."""
    verdict, reason = Verdict.CLEAN, ""
    for severity in ("malware", "spam", "suspicious"):
        first = next(((rule, path) for rule, s, path in found.matches if s == severity), None)
        if first is not None:
            where = f" in {first[1]}" if first[1] else ""
            verdict, reason = _VERDICTS[severity], f"rule {first[0]} matched{where}"
            break
    if verdict is Verdict.CLEAN and "archive_bomb" in found.notes:
        verdict, reason = Verdict.SUSPICIOUS, "an archive in it unpacks to far more than it holds"
    return Report(ENGINE, verdict, reason, tuple(dict.fromkeys(rule for rule, _, _ in found.matches)))
