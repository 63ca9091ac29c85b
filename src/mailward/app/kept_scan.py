"""The last scan for advisories, kept in a file so that a check can judge it.

A scan that reached nobody leaves what the last good one found, and says that it was tried.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from mailward.app.bill import at_hand
from mailward.core.registers.model import Severity

NAME = "advisories.json"
"""In the data folder."""
_LARGEST = 4_000_000


class Scan(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What was asked about (`name@version`), what is known of it (advisory ids), and when.

    `severity` is what is said of each advisory id; one of which nothing is said is absent.
    `silent` is why the newest try, at `tried`, reached nobody; "" when it did. `at` is None where none ever did.
    """

    at: datetime | None = None
    service: str = ""
    asked: list[str] = []
    known: dict[str, list[str]] = {}
    severity: dict[str, str] = {}
    tried: datetime
    silent: str = ""


def read(path: Path) -> Scan | None:
    """The kept scan; None where there is none. ValueError for what is no scan, OSError for what cannot be read."""
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(_LARGEST), type=Scan)
    except FileNotFoundError:
        return None


class Scanned(NamedTuple):
    """What a scan says of the versions that run here: (advisory, name@version) with its severity."""

    at: datetime
    asked: int
    known: dict[tuple[str, str], Severity]


def scanned(data: Path) -> Scanned | None:
    """The kept scan as the registers take it; None without one, or where it cannot be read (the check says so).

    Versions that no longer run are left out; an advisory whose severity nobody says is critical.
    """
    try:
        scan = read(data / NAME)
    except (OSError, ValueError):
        return None
    if scan is None or scan.at is None:
        return None
    running = {f"{name}@{version}" for name, (version, _) in at_hand().items()}
    levels = {s.value: s for s in Severity}
    known = {
        (id, what): levels.get(scan.severity.get(id, ""), Severity.CRITICAL)
        for what, ids in scan.known.items()
        if what in running
        for id in ids
    }
    return Scanned(scan.at, len(set(scan.asked) & running), known)


def keep(
    path: Path,
    service: str,
    asked: Sequence[str],
    known: Mapping[str, Sequence[str]],
    severity: Mapping[str, str] | None = None,
    *,
    now: datetime,
) -> None:
    """Keep what a service answered."""
    found = {what: list(ids) for what, ids in known.items()}
    said = dict(severity or {})
    _write(path, Scan(at=now, service=service, asked=sorted(asked), known=found, severity=said, tried=now))


def keep_silence(path: Path, why: str, *, now: datetime) -> None:
    """Keep that nobody was reached, beside what was found before."""
    try:
        before = read(path)
    except ValueError:
        before = None
    scan = before or Scan(tried=now)
    scan.tried, scan.silent = now, why
    _write(path, scan)


def _write(path: Path, scan: Scan) -> None:
    """At once or not at all: a reader never sees half a file."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_bytes(msgspec.json.format(msgspec.json.encode(scan)) + b"\n")
    fresh.replace(path)
