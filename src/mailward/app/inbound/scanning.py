"""What scans in this installation, as its settings have it: the limited processes and the daemons."""

from __future__ import annotations

from mailward.adapters.scanners.clamd import Clamd
from mailward.adapters.scanners.examiner import Examiner
from mailward.adapters.scanners.frames import Terms
from mailward.adapters.scanners.rspamd import Rspamd
from mailward.app.receiving import Scanning
from mailward.policy.scanning import Scanner


def examiner_of(scanning: Scanning) -> Examiner:
    """The limited processes; none is started yet."""
    terms = Terms(scanning.rules, scanning.memory_bytes, scanning.cpu_seconds)
    return Examiner(terms, scanning.examiners, seconds=scanning.seconds)


def scanners_of(scanning: Scanning) -> list[Scanner]:
    """The daemons the settings name."""
    found: list[Scanner] = []
    if scanning.clamd:
        found.append(Clamd(scanning.clamd, seconds=scanning.seconds))
    if scanning.rspamd:
        found.append(Rspamd(scanning.rspamd, seconds=scanning.seconds))
    return found
