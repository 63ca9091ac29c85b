"""What a webhook event says about a message: the facts its sender knows it by, never its content."""

from __future__ import annotations

from collections.abc import Sequence

from mailward.base import ids
from mailward.core.messages.model import Delivery, MessageFacts


def about(id: bytes, facts: MessageFacts) -> dict[str, object]:
    """The part that every event about a message begins with; `id` is raw."""
    return {
        "message": ids.encode("msg", id),
        "message_id": facts.message_id,
        "from": facts.header_from,
        "to": facts.to,
        "subject": facts.subject,
        "stream": facts.stream,
        "tags": list(facts.tags),
        "metadata": facts.metadata,
        "test_mode": facts.test_mode,
    }


def about_copies(id: bytes, facts: MessageFacts, copies: Sequence[Delivery]) -> dict[str, object]:
    """The same, with the recipients that it is about."""
    return {**about(id, facts), "recipients": [c.recipient for c in copies]}
