"""The form of a register entry: what each field is called there, what it takes, and what helps to fill it in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from types import UnionType
from typing import Any, get_args

import msgspec

from mailward.core.registers.model import NOTICE_DAYS, PATCH_DAYS, TYPES, Kind

NAMES = {
    Kind.PROFILE: ("Who runs this", "On every public page, in security.txt and in the agreement."),
    Kind.SUBPROCESSOR: (
        "Subprocessors",
        "Who else handles customers' data. Workspaces that follow are told of changes.",
    ),
    Kind.REGION: ("Data regions", "Where data lies."),
    Kind.LEGAL: ("Requests by authorities", "By half year."),
    Kind.STATEMENT: ("Statements", "Your own dated word on a promise that only an organisation can keep."),
    Kind.REWARD: ("Rewards", "What reporters of weaknesses get."),
    Kind.THANKS: ("Thanks", "Whom you thank for a report."),
    Kind.REVIEW: ("Reviews and scans", "Each manual review, scan and penetration test, with its day."),
    Kind.ADVISORY: (
        "Advisories",
        "Published weaknesses of what runs here, each with a day by which to patch it. In public an open one is "
        "counted and not named; a patched one is shown.",
    ),
}
"""Of each register: its name, and what it is for."""

_LONG = frozenset({"certificates", "openpgp_key", "text", "due_diligence", "examples", "note", "address", "found"})
_FILLED_IN = frozenset({"reviewed", "starts", "on", "known"})
_LABELS = {
    "languages": "Languages you read",
    "openpgp_key": "OpenPGP key",
    "control": "Promise",
    "half": "Half year",
    "complied": "Complied with",
    "workspaces": "Workspaces concerned",
    "found": "What was found",
    "by": "By whom",
    "what": "What was done",
    "concerns": "Concerns",
    "known": "Known since",
    "patched": "Patched on",
    "on": "Day",
    "due_diligence": "Due diligence",
    "starts": "In use from",
}
_HINTS = {
    "certificates": "One a line: name; 2027-01-31",
    "half": "Like 2026-H1",
    "starts": f"Empty: in {NOTICE_DAYS} days, when the notice is over",
    "reviewed": "Empty: today",
    "on": "Empty: today",
    "known": "Empty: today",
    "control": "Its name on the security page, like PEOPLE-1",
    "languages": "For security.txt, like en, de",
    "advisory": "Its number, like CVE-2026-1234",
    "concerns": "Like openssl@3.0.1",
    "severity": "Patch within "
    + ", ".join(f"{days} days if {severity.value}" for severity, days in PATCH_DAYS.items()),
    "patched": "Empty while it is open",
    "openpgp_key": "The public key, with its first and last line",
}


def form_fields(kind: Kind, values: Mapping[str, str], wrong: str = "") -> list[dict[str, Any]]:
    """The fields in order, each with its label, hint, value, and `type`: text, long, date, number or choices."""
    shown = []
    for f in msgspec.structs.fields(TYPES[kind]):
        choices = [c.value for c in f.type] if isinstance(f.type, type) and issubclass(f.type, StrEnum) else []
        shown.append(
            {
                "name": f.name,
                "label": _LABELS.get(f.name) or f.name.replace("_", " ").capitalize(),
                "hint": _HINTS.get(f.name, ""),
                "value": values.get(f.name, ""),
                "required": f.required and f.name not in _FILLED_IN,
                "type": "choices" if choices else _type(f.name, f.type),
                "choices": choices,
                "wrong": f.name == wrong,
            }
        )
    return shown


def _type(name: str, wanted: object) -> str:
    if wanted is date or (isinstance(wanted, UnionType) and date in get_args(wanted)):
        return "date"
    return "number" if wanted is int else "long" if name in _LONG else "text"
