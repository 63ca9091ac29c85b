"""From stored nouns to the types the API publishes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from mailward.adapters.storage.times import from_us
from mailward.base import ids
from mailward.core.delivery import park
from mailward.core.messages.find import Found, status_of
from mailward.core.messages.model import Attempt, Delivery, DeliveryState, Message
from mailward.core.tracking.model import EVENTS, FACTS, Facts
from mailward.core.webhooks.enqueue import instant
from mailward.edges.web.schema import messages as view
from mailward.policy import bounces


def at(us: int) -> datetime:
    """Microseconds UTC as a datetime."""
    return from_us(us)


def delivery_id(message: bytes, n: int) -> str:
    """A copy's id: its message's with the recipient's number."""
    return f"{ids.encode('dlv', message)}-{n}"


def status(delivery: Delivery, message: Message, now: int) -> view.Status:
    """The published word for a copy's state."""
    if delivery.state is DeliveryState.QUEUED and message.facts.due > now:
        return "scheduled"
    if delivery.state is DeliveryState.LEASED:
        return "sending"
    return delivery.state.name.lower()  # type: ignore[return-value]


def summary(found: Found, now: int) -> view.MessageSummary:
    """One line of a list."""
    return view.MessageSummary(**_summary(found, now))


def _summary(found: Found, now: int) -> dict[str, Any]:
    m, f = found.message, found.message.facts
    return {
        "id": ids.encode("msg", m.id),
        "message_id": f.message_id,
        "status": status_of(m, found.deliveries, now),
        "from_": f.header_from,
        "to": f.to,
        "subject": f.subject,
        "stream": f.stream,
        "tags": list(f.tags),
        "size": f.size,
        "recipients": f.recipients,
        "test_mode": f.test_mode,
        "created_at": at(m.created),
        "scheduled_at": at(f.due) if f.due else None,
    }


def detail(found: Found, now: int) -> view.MessageDetail:
    """A message with its copies."""
    return view.MessageDetail(
        **_summary(found, now),
        source=found.message.facts.source,
        metadata=found.message.facts.metadata,
        deliveries=[delivery(d, found.message, now) for d in found.deliveries],
        content_gone_at=at(found.message.content_gone) if found.message.content_gone else None,
        redacted=list(found.message.facts.redacted),
    )


def delivery(d: Delivery, message: Message, now: int) -> view.Delivery:
    """One copy and where it stands."""
    waits = d.state in (DeliveryState.QUEUED, DeliveryState.HELD)
    return view.Delivery(
        id=delivery_id(d.message, d.n),
        recipient=d.recipient,
        status=status(d, message, now),
        attempts=d.attempts,
        updated_at=at(d.updated),
        next_try_at=at(d.due) if waits and d.due else None,
        reason=d.reason,
    )


def attempt(a: Attempt) -> view.Attempt:
    """One try, explained."""
    f = a.facts
    return view.Attempt(
        number=a.attempt,
        at=at(a.at),
        elapsed_ms=f.elapsed_ms,
        outcome=f.outcome,
        reason=f.reason,
        host=f.host,
        ip=f.ip,
        why_host=f.why,
        policy=f.policy,
        tls=f.tls,
        code=f.code,
        enhanced=f.enhanced,
        text=f.text,
        signed=list(f.signed),
        rewritten=list(f.rewritten),
        dialogue=[
            view.DialogueLine(at_ms=ms, side=side, line=line)
            for ms, side, text in f.dialogue
            for line in text.splitlines()
        ],
        next_try_at=at(f.next_due) if f.next_due else None,
    )


_SENTENCES = {
    "delivered": "Every recipient's server took the message.",
    "partly": "Some recipients' servers took the message. To the others nothing was sent.",
    "queued": "The message waits for its next try.",
    "scheduled": "The message waits for the time it was scheduled for.",
    "sending": "The message is under way now.",
    "bounced": "At least one recipient's server refused the message for good, or cannot take it as it is.",
    "expired": "At least one recipient could not be reached before the message's time was over.",
    "held": "The message is held and will not be sent before it is released.",
    "suppressed": "Every recipient left to send to is on the suppression list.",
    "cancelled": "The message was cancelled before it was sent.",
    "discarded": "Test mode: everything ran but the last hop.",
}

_PARKED = (
    "Worker processes ended again and again while they worked on the message, so it was parked; the installation's "
    "operator was alerted. It will not be sent before it is released."
)


def explanation(found: Found, attempts: list[Attempt], now: int) -> view.Explanation:
    """Why the message is where it is: each copy with every attempt."""
    word = status_of(found.message, found.deliveries, now)
    copies = [
        view.ExplainedDelivery(
            id=delivery_id(d.message, d.n),
            recipient=d.recipient,
            status=status(d, found.message, now),
            reason=d.reason,
            attempts=[attempt(a) for a in attempts if a.n == d.n],
            meaning=bounces.SENTENCES.get(d.reason or "", ""),
            next_try_at=at(d.due) if d.state is DeliveryState.QUEUED and d.due else None,
        )
        for d in found.deliveries
    ]
    text = _SENTENCES.get(word, "")
    if word == "held" and any(d.reason == park.REASON for d in found.deliveries):
        text = _PARKED
    last = max(attempts, key=lambda a: a.at, default=None)
    if last is not None and last.facts.outcome != "delivered" and last.facts.text:
        text += f" The last answer was: {last.facts.code or ''} {last.facts.text}".rstrip()
    return view.Explanation(
        id=ids.encode("msg", found.message.id),
        status=word,  # type: ignore[arg-type]
        summary=text,
        deliveries=copies,
    )


def _seen(id: str, message: str, when: int, moment: str, f: Facts, names: dict[int, str]) -> view.Event:
    """An open or a click; a program's is named as one."""
    facts = {"link": f.link, "agent": f.agent, "machine": ", ".join(f.reasons).replace("_", " ")}
    shown = {k: v for k, v in facts.items() if v}
    return view.Event(id=id, type=moment, at=at(when), message=message, recipient=names.get(f.n), facts=shown)


def _said(text: str, names: dict[int, str]) -> tuple[str | None, dict[str, str]]:
    """What a moment's JSON says: of whose copy, and the rest by name, times as the API writes them."""
    said: dict[str, Any] = msgspec.json.decode(text)
    recipient = names.get(said.pop("copy", -1))
    if due := said.pop("due", None):
        said["scheduled_at"] = instant(int(due))
    return recipient, {name: str(value) for name, value in said.items() if value not in ("", None)}


def events(found: Found, attempts: list[Attempt], timeline: list[tuple[int, str, str]]) -> list[view.Event]:
    """The message's timeline, oldest first: accepted, each attempt's outcome, and what people did."""
    m = found.message
    id = ids.encode("msg", m.id)
    names = {d.n: d.recipient for d in found.deliveries}
    out = [view.Event(id=f"{id}-0", type="accepted", at=at(m.created), message=id, facts={"source": m.facts.source})]
    for d in found.deliveries:
        if d.state is DeliveryState.SUPPRESSED and d.attempts == 0:
            facts = {"reason": d.reason or ""}
            out.append(view.Event(id=f"{id}-s{d.n}", type="suppressed", at=at(d.updated), message=id,
                                  recipient=d.recipient, facts=facts))  # fmt: skip
    for a in attempts:
        facts = {"reason": a.facts.reason, "host": a.facts.host, "code": str(a.facts.code or "")}
        out.append(
            view.Event(
                id=f"{id}-{a.n}-{a.attempt}",
                type=a.facts.outcome,
                at=at(a.at),
                message=id,
                recipient=names.get(a.n),
                facts={k: v for k, v in facts.items() if v},
            )
        )
    for when, moment, text in timeline:
        if moment in EVENTS:
            out.append(_seen(f"{id}-t{when}{moment[0]}", id, when, moment, FACTS.decode(text), names))
            continue
        recipient, facts = _said(text, names)
        event = view.Event(id=f"{id}-t{when}", type=moment, at=at(when), message=id, recipient=recipient, facts=facts)
        out.append(event)
    if m.content_gone:
        out.append(view.Event(id=f"{id}-c", type="content_gone", at=at(m.content_gone), message=id))
    return sorted(out, key=lambda e: e.at)
