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


class Origin(StrEnum):
    """How a report came."""

    FORM = "form"
    MAIL = "mail"


class Mailed(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a report that came as mail.

    `dmarc` is what authentication said of its author's `domain`; only "pass" means that the author is who it says.
    `silent` is why no acknowledgement was mailed, "" when one was to be; `answered` whether it was handed over for
    delivery. The message itself is kept beside, byte for byte: encrypted parts are opened with the operator's tools.
    """

    dmarc: str
    domain: str
    silent: str
    answered: bool = False


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What is sealed: the reporter's words, and what was answered. `answers` are (when, what), oldest first."""

    title: str
    what: str
    contact: str = ""
    thanks_as: str = ""
    answers: tuple[tuple[datetime, str], ...] = ()
    mail: Mailed | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A report as it is stored. `due` is when its acknowledgement is, `content` is sealed.

    `digest` is a keyed digest of the message it came as, empty for one of the form.

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
    origin: Origin = Origin.FORM
    digest: bytes = b""

    def overdue(self, now: datetime) -> bool:
        """Whether its acknowledgement is late."""
        return self.acknowledged is None and now > self.due
