"""The operations under /v1, a file an area; `operations()` is the whole table, hottest first."""

from __future__ import annotations

from mailward.edges.web.api import (
    access,
    alerts,
    audit,
    domains,
    inbound,
    keys,
    members,
    messages,
    redaction,
    roles,
    send,
    sending,
    suppressions,
    templates,
    tracking,
    webhooks,
    workspace,
)
from mailward.edges.web.routes import Operation


def operations() -> list[Operation]:
    """Every operation of the API."""
    return [
        *send.OPERATIONS,
        *messages.OPERATIONS,
        *sending.OPERATIONS,
        *suppressions.OPERATIONS,
        *domains.OPERATIONS,
        *keys.OPERATIONS,
        *templates.OPERATIONS,
        *webhooks.OPERATIONS,
        *inbound.OPERATIONS,
        *members.OPERATIONS,
        *roles.OPERATIONS,
        *tracking.OPERATIONS,
        *workspace.OPERATIONS,
        *redaction.OPERATIONS,
        *access.OPERATIONS,
        *audit.OPERATIONS,
        *alerts.OPERATIONS,
    ]
