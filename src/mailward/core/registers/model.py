"""Kinds of entries, each with its fields. Everything here is public, signatures apart."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

import msgspec

NOTICE_DAYS = 30
REVIEW_DAYS = 365


class Kind(StrEnum):
    """What registers there are."""

    PROFILE = "profile"
    SUBPROCESSOR = "subprocessor"
    REGION = "region"
    LEGAL = "legal"
    STATEMENT = "statement"
    REWARD = "reward"
    THANKS = "thanks"
    REVIEW = "review"
    ADVISORY = "advisory"


class Look(StrEnum):
    """How somebody looked at the program and its surroundings."""

    MANUAL = "manual review"
    SCAN = "scan"
    PENETRATION = "penetration test"


class Severity(StrEnum):
    """How bad an advisory is. One whose severity nobody says counts as critical."""

    CRITICAL = "critical"
    HIGH = "high"
    MODERATE = "moderate"
    LOW = "low"


PATCH_DAYS = {Severity.CRITICAL: 7, Severity.HIGH: 30, Severity.MODERATE: 90, Severity.LOW: 180}
"""Days from the day an advisory is known here to the day on which it has to be patched."""


class Fields(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of an entry."""


class Profile(Fields, frozen=True, kw_only=True):
    """Who runs this installation. There is one."""

    name: str
    address: str = ""
    contact: str = ""
    security_contact: str = ""
    openpgp_key: str = ""
    languages: str = "en"
    governing_law: str = ""


class Subprocessor(Fields, frozen=True, kw_only=True):
    """Somebody who handles customers' data for the operator. `certificates` are lines "name; 2027-01-31"."""

    name: str
    purpose: str
    place: str
    data: str = ""
    agreement: str = ""
    due_diligence: str = ""
    certificates: str = ""
    reviewed: date
    starts: date


class Region(Fields, frozen=True, kw_only=True):
    """Where data lies."""

    name: str
    place: str
    holds: str
    provider: str = ""
    reviewed: date


class Legal(Fields, frozen=True, kw_only=True):
    """Requests by authorities in half a year, such as 2026-H1."""

    half: str
    requests: int
    complied: int
    workspaces: int = 0
    note: str = ""


class Statement(Fields, frozen=True, kw_only=True):
    """The operator's own word on a promise that only an organisation can keep."""

    control: str
    text: str
    on: date


class Reward(Fields, frozen=True, kw_only=True):
    """A row of the reward table."""

    severity: str
    amount: str
    examples: str = ""


class Thanks(Fields, frozen=True, kw_only=True):
    """Whom the operator thanks for a report."""

    name: str
    about: str = ""
    on: date


class Review(Fields, frozen=True, kw_only=True):
    """A look at the program, dated: who, at what, and what was found."""

    what: Look
    scope: str
    by: str
    found: str = ""
    on: date


class Advisory(Fields, frozen=True, kw_only=True):
    """A weakness that somebody published of what runs here. `by` is who noticed: a person, or the scan."""

    advisory: str
    concerns: str
    severity: Severity
    known: date
    patched: date | None = None
    by: str = ""
    note: str = ""

    @property
    def patch_by(self) -> date:
        """The last day on which it may be open."""
        return self.known + timedelta(days=PATCH_DAYS[self.severity])

    def late(self, today: date) -> bool:
        """Whether it was patched after its deadline, or is open past it."""
        return (self.patched or today) > self.patch_by


TYPES: dict[Kind, type[Fields]] = {
    Kind.PROFILE: Profile,
    Kind.SUBPROCESSOR: Subprocessor,
    Kind.REGION: Region,
    Kind.LEGAL: Legal,
    Kind.STATEMENT: Statement,
    Kind.REWARD: Reward,
    Kind.THANKS: Thanks,
    Kind.REVIEW: Review,
    Kind.ADVISORY: Advisory,
}


class Entry(NamedTuple):
    """An entry of a register."""

    id: str
    kind: Kind
    changed: datetime
    fields: Fields


class Notice(NamedTuple):
    """What a workspace that follows the register is owed: `text` says what changes and when."""

    workspace: bytes
    id: bytes
    at: datetime
    text: str


class Signing(NamedTuple):
    """Who signed which text for a workspace. `sealed` holds name and title."""

    id: str
    at: datetime
    hash: bytes
    sealed: bytes


class Overdue(NamedTuple):
    """Something of an entry that ran out, and when."""

    entry: Entry
    what: str
    since: date


def certificates(fields: Subprocessor) -> list[tuple[str, date | None]]:
    """The certificates of a vendor with the day each expires; None where a line names none."""
    out: list[tuple[str, date | None]] = []
    for line in fields.certificates.splitlines():
        name, _, when = line.partition(";")
        if name.strip():
            try:
                out.append((name.strip(), date.fromisoformat(when.strip())))
            except ValueError:
                out.append((name.strip(), None))
    return out


def overdue(entry: Entry, today: date) -> list[Overdue]:
    """What ran out by today: a review older than a year, a certificate past its end."""
    fields = entry.fields
    found = []
    if isinstance(fields, Subprocessor | Region):
        until = fields.reviewed + timedelta(days=REVIEW_DAYS)
        if today > until:
            found.append(Overdue(entry, "review", until))
    if isinstance(fields, Subprocessor):
        found += [
            Overdue(entry, f"certificate {name}", until)
            for name, until in certificates(fields)
            if until is not None and today > until
        ]
    if isinstance(fields, Advisory) and fields.patched is None and fields.late(today):
        found.append(Overdue(entry, "patch", fields.patch_by))
    return found


def title(fields: Fields) -> str:
    """What an entry is called: its first field, and of a review what was looked at."""
    match fields:
        case Review():
            return f"{fields.what.value}: {fields.scope}"
        case Advisory():
            return f"{fields.advisory}: {fields.concerns}"
        case _:
            return str(getattr(fields, fields.__struct_fields__[0]))


def words(fields: Fields) -> dict[str, str]:
    """The fields as somebody would write them; what is not said is empty."""
    said = msgspec.to_builtins(fields)
    return {name: "" if said[name] is None else str(said[name]) for name in fields.__struct_fields__}
