"""record(): the instant at which the platform becomes responsible, for a list of messages at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from mailward.base.errors import Conflict
from mailward.core.messages.model import FACTS_ENCODER, DeliveryState
from mailward.core.messages.ports import DeliveryRow, MessageRow
from mailward.core.submission.model import Idempotency, Receipt, StaleJudgement, Submission
from mailward.core.submission.ports import SubmissionTx
from mailward.core.submission.tell import events_of
from mailward.core.suppression.model import blocked
from mailward.core.webhooks.enqueue import enqueue_events
from mailward.core.webhooks.model import Event

_DAY_US = 86_400_000_000


async def record(tx: SubmissionTx, items: Sequence[tuple[Submission, Any]]) -> list[Receipt | Exception]:
    """Write messages, deliveries, usage, idempotent answers and events; a receipt or an error for each item.

    Each item comes with the reference of its body, which is durable already. Recipients
    on the suppression list are recorded as such, not sent to. An item whose epochs are
    old gets StaleJudgement: nothing is accepted on a key or domain revoked before this
    commit.
    """
    epochs = tx.epochs
    suppressed = await tx.suppressions.among([r.token for s, _ in items for r in s.recipients])
    endpoints = await tx.webhooks.audience()
    events: list[Event] = []
    messages: list[MessageRow] = []
    deliveries: list[DeliveryRow] = []
    results: list[Receipt | Exception] = []
    answers: dict[bytes, tuple[bytes, Receipt]] = {}
    for submission, body in items:
        if submission.epochs != epochs:
            results.append(StaleJudgement())
            continue
        key = submission.idempotency
        if key is not None and (earlier := await _earlier(tx, key, answers, submission.created)) is not None:
            results.append(earlier)
            continue
        created = submission.created
        states = []
        reasons = []
        for n, recipient in enumerate(submission.recipients):
            state, due, lessee = submission.state, submission.due, submission.lessee
            reason = submission.reason
            if suppressed and (why := blocked(suppressed, recipient.token, submission.facts.stream)) is not None:
                state, due, lessee, reason = DeliveryState.SUPPRESSED, 0, 0, f"suppressed:{why.value}"
            states.append(state)
            reasons.append(reason)
            deliveries.append(
                (submission.id, n, recipient.address, int(state), due, lessee, created, reason, recipient.dsn)
            )
        messages.append(
            (submission.id, created, body.segment, body.offset, body.length, FACTS_ENCODER.encode(submission.facts))
        )
        receipt = Receipt(submission.id, tuple(states))
        if endpoints.by_type:
            events += events_of(submission, states, reasons, endpoints)
        if key is not None:
            answers[key.key] = (key.body, receipt)
            await tx.messages.keep_answer(key.key, key.body, msgspec.msgpack.encode(receipt[:2]), key.expires)
        results.append(receipt)
    if messages:
        await tx.messages.insert(messages)
        await tx.deliveries.insert(deliveries)
        await tx.messages.count(messages[0][1] // _DAY_US, "accepted", len(messages))
    if events:
        await enqueue_events(tx, events, endpoints=endpoints)
    return results


async def recorded(tx: SubmissionTx, items: Sequence[Submission]) -> list[Receipt | None]:
    """Which of these are recorded already: for when the answer to `record` was lost and nobody knows."""
    states = await tx.deliveries.of([s.id for s in items])
    return [Receipt(s.id, tuple(d.state for d in found)) if (found := states.get(s.id)) else None for s in items]


async def _earlier(
    tx: SubmissionTx, key: Idempotency, answers: dict[bytes, tuple[bytes, Receipt]], now: int
) -> Receipt | Exception | None:
    """The answer given before under this key, a Conflict if the request was another one, or None."""
    if (fresh := answers.get(key.key)) is not None:
        body, receipt = fresh
    else:
        kept = await tx.messages.earlier_answer(key.key)
        if kept is None or kept[2] <= now:
            return None
        body = kept[0]
        raw_id, states = msgspec.msgpack.decode(kept[1], type=tuple[bytes, tuple[DeliveryState, ...]])
        receipt = Receipt(raw_id, states)
    if body != key.body:
        return Conflict(
            "idempotency_key_reused",
            "This Idempotency-Key was used with a different request in the last 24 hours. Use a new key.",
        )
    return Receipt(receipt.id, receipt.states, replayed=True)
