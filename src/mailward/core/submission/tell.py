"""What endpoints are told of a message the moment it is recorded."""

from __future__ import annotations

from collections.abc import Sequence

from mailward.base import ids
from mailward.core.messages.model import DeliveryState
from mailward.core.messages.told import about
from mailward.core.submission.model import Submission
from mailward.core.webhooks.enqueue import instant
from mailward.core.webhooks.model import EndpointsSnapshot, Event, event_id


def events_of(
    s: Submission, states: Sequence[DeliveryState], reasons: Sequence[str | None], endpoints: EndpointsSnapshot
) -> list[Event]:
    """Accepted; scheduled or held if it is; suppressed for each recipient on the list. Only what somebody wants."""
    name = ids.encode("msg", s.id)
    events: list[Event] = []

    def add(type: str, key: str, data: dict[str, object]) -> None:
        events.append(Event(event_id(s.created, type, key), type, s.created, {**about(s.id, s.facts), **data}))

    if endpoints.wanting("message.accepted"):
        recipients = [r.address for r in s.recipients]
        data = {"recipients": recipients, "source": s.facts.source, "size": s.facts.size}
        add("message.accepted", name, data)
    open_ = [r.address for r, state in zip(s.recipients, states, strict=True) if state is s.state]
    if s.state is DeliveryState.HELD and open_ and endpoints.wanting("message.held"):
        add("message.held", name, {"recipients": open_, "reason": s.reason or ""})
    elif s.facts.due and s.state is DeliveryState.QUEUED and open_ and endpoints.wanting("message.scheduled"):
        add("message.scheduled", name, {"recipients": open_, "scheduled_at": instant(s.facts.due)})
    if DeliveryState.SUPPRESSED in states and endpoints.wanting("message.suppressed"):
        for n, (r, state, reason) in enumerate(zip(s.recipients, states, reasons, strict=True)):
            if state is DeliveryState.SUPPRESSED:
                add("message.suppressed", f"{name}-{n}", {"recipient": r.address, "reason": reason or ""})
    return events
