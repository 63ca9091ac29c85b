"""settle(): write how attempts ended, with what follows from it, in one transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from mailward.base import ids
from mailward.base.sources import Entropy
from mailward.core.delivery.model import Settled
from mailward.core.delivery.ports import SettleTx
from mailward.core.messages.ended import ended
from mailward.core.messages.figures import took, waited_since
from mailward.core.messages.model import FACTS_ENCODER, NOT_TRIED, OPEN, TRANSITIONS, DeliveryState
from mailward.core.messages.told import about
from mailward.core.redaction.facts import told
from mailward.core.suppression.change import by_bounce
from mailward.core.webhooks.enqueue import enqueue_events, instant
from mailward.core.webhooks.model import EndpointsSnapshot, Event, event_id
from mailward.policy.redaction import REDACTED


class Settling:
    """The verb with what it needs: the key under which a workspace's addresses are listed, and randomness for ids."""

    def __init__(self, token_key: Callable[[bytes], bytes], entropy: Entropy) -> None:
        self._token_key = token_key
        self._entropy = entropy

    async def settle(self, tx: SettleTx, items: Sequence[list[Settled]]) -> list[None]:
        """Record attempts and new states, list hard bounces, queue events for webhooks.

        Each item is the outcome of one Work (all its copies). A row another worker took
        over meanwhile keeps its state; the attempt is recorded all the same.
        """
        rows = []
        attempts = []
        counts: Counter[str] = Counter()
        at = 0
        hard: list[Settled] = []
        private: dict[bytes, tuple[str, ...]] = {}
        for group in items:
            for s in group:
                if s.state not in TRANSITIONS[DeliveryState.LEASED]:
                    raise ValueError(f"no way from LEASED to {s.state.name}")
                rows.append((int(s.state), s.due, s.attempt, s.at, s.reason, s.message, s.n, s.lessee))
                at = s.at
                if s.facts.outcome == NOT_TRIED:
                    continue
                attempts.append((s.message, s.n, s.attempt, s.at, FACTS_ENCODER.encode(s.facts)))
                counts[s.facts.outcome] += 1
                if s.state is DeliveryState.DELIVERED:
                    counts[took(s.at - waited_since(s.message, s.message_facts))] += 1
                if s.hard:
                    hard.append(s)
                if s.message_facts.redacted and s.state not in OPEN:
                    private[s.message] = s.message_facts.redacted
        await tx.deliveries.settle(rows)
        await tx.deliveries.add_attempts(attempts)
        if counts:
            await tx.messages.count(at, counts)
        if private:
            await ended(tx, private, now=at)
        for s in hard:
            await by_bounce(
                tx,
                s.recipient,
                source=ids.encode("msg", s.message),
                key=self._token_key(tx.workspace or b""),
                now=datetime.fromtimestamp(s.at / 1e6, UTC),
                entropy=self._entropy,
                shown=REDACTED if "addresses" in s.message_facts.redacted else None,
            )
        endpoints = await tx.webhooks.audience()
        if endpoints.by_type:
            await _tell(tx, items, endpoints)
        return [None] * len(items)


async def _tell(tx: SettleTx, items: Sequence[list[Settled]], endpoints: EndpointsSnapshot) -> None:
    events = []
    for group in items:
        for s in group:
            if s.facts.outcome == NOT_TRIED:
                continue
            type = f"message.{s.facts.outcome}"
            if endpoints.wanting(type):
                id = event_id(s.at, type, s.message, s.n, s.attempt)
                events.append(Event(id, type, s.at, event_data(s)))
    await enqueue_events(tx, events, endpoints=endpoints)


def event_data(s: Settled) -> dict[str, object]:
    """What an endpoint is told of one attempt."""
    data: dict[str, object] = {
        **about(s.message, s.message_facts),
        "recipient": s.recipient,
        "attempt": s.attempt,
        "host": s.facts.host,
        "code": s.facts.code,
        "enhanced": s.facts.enhanced,
        "text": s.facts.text,
    }
    if s.reason:
        data["reason"] = s.reason
    if s.due:
        data["next_try_at"] = instant(s.due)
    return told(data, s.message_facts.redacted) if s.message_facts.redacted else data
