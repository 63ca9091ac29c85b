"""Reports of weaknesses, their states, and what the reporter sees."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec


class ReportState(StrEnum):
    """Where a report stands."""

    RECEIVED = "received"
    ACKNOWLEDGED = "acknowledged"
    CONFIRMED = "confirmed"
    FIXED = "fixed"
    DECLINED = "declined"
    DUPLICATE = "duplicate"


TRANSITIONS: dict[ReportState, frozenset[ReportState]] = {
    ReportState.RECEIVED: frozenset({ReportState.ACKNOWLEDGED}),
    ReportState.ACKNOWLEDGED: frozenset({ReportState.CONFIRMED, ReportState.DECLINED, ReportState.DUPLICATE}),
    ReportState.CONFIRMED: frozenset({ReportState.FIXED, ReportState.DECLINED}),
    ReportState.FIXED: frozenset(),
    ReportState.DECLINED: frozenset({ReportState.ACKNOWLEDGED}),
    ReportState.DUPLICATE: frozenset({ReportState.ACKNOWLEDGED}),
}


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What is sealed: the reporter's words, and what was answered. `answers` are (when, what), oldest first."""

    title: str
    what: str
    contact: str = ""
    thanks_as: str = ""
    answers: tuple[tuple[datetime, str], ...] = ()


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A report as it is stored. `due` is when its acknowledgement is, `content` is sealed.

    `alerted` says how far the reminding went: "", "reminded", "missed".
    """

    id: str
    token_hash: bytes
    at: datetime
    due: datetime
    state: ReportState = ReportState.RECEIVED
    acknowledged: datetime | None = None
    updated: datetime
    alerted: str = ""
    content: bytes

    def overdue(self, now: datetime) -> bool:
        """Whether its acknowledgement is late."""
        return self.acknowledged is None and now > self.due
