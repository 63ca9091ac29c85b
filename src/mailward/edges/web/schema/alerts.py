"""Attacks on a workspace that the platform's rules recognised."""

from __future__ import annotations

from mailward.edges.web.schema.common import View
from mailward.edges.web.schema.messages import Instant


class Alert(View):
    """`subject` is the id of a credential, a person or the workspace; `sentence` says what was seen.

    `acknowledged_by` is who noted that they have seen it: the kind of credential and its id, or "".
    """

    id: str
    at: Instant
    rule: str
    severity: str
    subject: str
    sentence: str
    acknowledged_at: Instant | None = None
    acknowledged_by: str = ""


class AlertPage(View):
    """Alerts, newest first."""

    data: list[Alert]
    next_cursor: str | None = None
