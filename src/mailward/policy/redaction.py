"""What a workspace does not want stored of its mail: fields, what is done with each, what goes with them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final, Literal

import msgspec

REDACTED: Final = "[redacted]"
"""What stands where something was taken out."""

EPOCH: Final = "redaction_epoch"
"""Counts changes of rules in all workspaces, so that workers may keep them in memory."""

REMAINS: Final = "remains_epoch"
"""Counts times at which something was taken out of rows, of which a store's own log may still hold the page before."""

LONGEST_HOURS: Final = 24 * 365

Field = Literal["subject", "addresses", "ip", "body"]
FIELDS: Final[tuple[Field, ...]] = ("subject", "addresses", "ip", "body")


class Mode(StrEnum):
    """What is done with a field."""

    KEEP = "keep"
    REDACT = "redact"
    """Kept while a copy is under way and `after_hours` hours from acceptance; then taken out of what is stored."""
    NEVER = "never"
    """Not stored in readable form; what sending needs of it is sealed, and its key deleted with the last outcome."""


class Rule(msgspec.Struct, frozen=True):
    """What is done with one field. `after_hours` counts from acceptance and says something for `redact` only."""

    mode: Mode = Mode.KEEP
    after_hours: int = 0


class Redaction(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of a workspace."""

    subject: Rule = Rule()
    addresses: Rule = Rule()
    ip: Rule = Rule()
    body: Rule = Rule()

    def rule(self, field: Field) -> Rule:
        """That of one field."""
        found: Rule = getattr(self, field)
        return found

    def never(self) -> tuple[Field, ...]:
        """Fields that are not stored."""
        return tuple(f for f in FIELDS if self.rule(f).mode is Mode.NEVER)

    @property
    def on(self) -> bool:
        """Is any field not kept as it is?"""
        return any(self.rule(f).mode is not Mode.KEEP for f in FIELDS)


def joined(before: Iterable[str], more: Iterable[str]) -> tuple[str, ...]:
    """The names of redacted fields of both, in the order of `FIELDS`."""
    both = {*before, *more}
    return tuple(f for f in FIELDS if f in both)


_TALKATIVE: Final = frozenset(("subject", "addresses", "body"))


def talkative(fields: Iterable[str]) -> bool:
    """Do these fields take with them what other machines said in their own words? Those could repeat any of it."""
    return not _TALKATIVE.isdisjoint(fields)


def gone(value: str) -> str:
    """What stands for a value; what was empty stays so."""
    return REDACTED if value else ""
