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


TYPES: dict[Kind, type[Fields]] = {
    Kind.PROFILE: Profile,
    Kind.SUBPROCESSOR: Subprocessor,
    Kind.REGION: Region,
    Kind.LEGAL: Legal,
    Kind.STATEMENT: Statement,
    Kind.REWARD: Reward,
    Kind.THANKS: Thanks,
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
    return found
