"""record(): the instant at which the platform becomes responsible, for a list of messages at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from mailward.base.errors import Conflict
from mailward.core.messages.ended import ended
from mailward.core.messages.model import FACTS_ENCODER, DeliveryState
from mailward.core.messages.ports import DeliveryRow, MessageRow
from mailward.core.submission.model import Receipt, StaleJudgement, Submission
from mailward.core.submission.ports import SubmissionTx
from mailward.core.submission.tell import events_of
from mailward.core.suppression.model import Found, blocked
from mailward.core.webhooks.enqueue import enqueue_events
from mailward.core.webhooks.model import Event


async def record(tx: SubmissionTx, items: Sequence[tuple[Submission, Any]]) -> list[Receipt | Exception]:
    """Write messages, deliveries, usage, idempotent answers and events; a receipt or an error for each item.

    Each item comes with the reference of its body, which is durable already. Recipients
    on the suppression list are recorded as such, not sent to. An item judged before
    something changed that concerns its workspace gets StaleJudgement: nothing is accepted
    on a key or domain revoked before this commit. What others change is nothing to it.
    """
    stand = await _standing(tx, {s.epochs for s, _ in items})
    suppressed = await tx.suppressions.among([r.token for s, _ in items for r in s.recipients])
    endpoints = await tx.webhooks.audience()
    events: list[Event] = []
    messages: list[MessageRow] = []
    deliveries: list[DeliveryRow] = []
    held: list[tuple[bytes, int, str, str]] = []
    private: list[tuple[bytes, bytes]] = []
    results: list[Receipt | Exception] = []
    judged = {n: _judged(s, suppressed) for n, (s, _) in enumerate(items) if s.epochs in stand}
    earlier = await _claim(tx, [(n, items[n][0], Receipt(items[n][0].id, states)) for n, (states, _) in judged.items()])
    for number, (submission, body) in enumerate(items):
        if number not in judged:
            results.append(StaleJudgement())
            continue
        if number in earlier:
            results.append(earlier[number])
            continue
        created = submission.created
        states, reasons = judged[number]
        for n, (recipient, state) in enumerate(zip(submission.recipients, states, strict=True)):
            stopped = state is not submission.state
            due, lessee = (0, 0) if stopped else (submission.due, submission.lessee)
            deliveries.append(
                (submission.id, n, recipient.address, int(state), due, lessee, created, reasons[n], recipient.dsn)
            )
        messages.append(
            (submission.id, created, body.segment, body.offset, body.length, FACTS_ENCODER.encode(submission.facts))
        )
        if submission.private:
            private.append((submission.id, submission.private))
        receipt = Receipt(submission.id, states)
        if submission.state is DeliveryState.HELD and DeliveryState.HELD in states:
            facts = msgspec.json.encode({"reason": submission.reason or ""}).decode()
            held.append((submission.id, created, "held", facts))
        if endpoints.by_type:
            events += events_of(submission, states, reasons, endpoints)
        results.append(receipt)
    if messages:
        await tx.messages.insert(messages)
        await tx.deliveries.insert(deliveries)
        if held:
            await tx.messages.timeline_add_all(held)
        await tx.messages.count(messages[0][1], {"accepted": len(messages)})
    if private:
        await tx.redaction.keep(private)
        redacted = {s.id: s.facts.redacted for s, _ in items}
        await ended(tx, {id: redacted[id] for id, _ in private}, now=messages[0][1])
    if events:
        await enqueue_events(tx, events, endpoints=endpoints)
    return results


async def _standing(tx: SubmissionTx, judged_by: set[tuple[int, int]]) -> set[tuple[int, int]]:
    """Those of these epochs by which a judgement still stands: the present ones, nearly always all there are."""
    now = tx.epochs
    if judged_by == {now}:
        return judged_by
    auth, domains = await tx.counters.concerned()
    return {e for e in judged_by if e == now or (auth <= e[0] <= now[0] and domains <= e[1] <= now[1])}


async def recorded(tx: SubmissionTx, items: Sequence[Submission]) -> list[Receipt | None]:
    """Which of these are recorded already: for when the answer to `record` was lost and nobody knows."""
    states = await tx.deliveries.of([s.id for s in items])
    return [Receipt(s.id, tuple(d.state for d in found)) if (found := states.get(s.id)) else None for s in items]


def _judged(s: Submission, suppressed: Found) -> tuple[tuple[DeliveryState, ...], list[str | None]]:
    """Each recipient's state and the reason for it: the submission's, unless the address is on the list."""
    states: list[DeliveryState] = []
    reasons: list[str | None] = []
    for recipient in s.recipients:
        why = blocked(suppressed, recipient.token, s.facts.stream) if suppressed else None
        states.append(s.state if why is None else DeliveryState.SUPPRESSED)
        reasons.append(s.reason if why is None else f"suppressed:{why.value}")
    return tuple(states), reasons


async def _claim(tx: SubmissionTx, fresh: Sequence[tuple[int, Submission, Receipt]]) -> dict[int, Receipt | Exception]:
    """Keep the answers of those with an idempotency key. For each whose key has an answer already: that, or a Conflict.

    One question to the store for all of them, however many there are.
    """
    keyed = [(n, s, s.idempotency, receipt) for n, s, receipt in fresh if s.idempotency is not None]
    if not keyed:
        return {}
    first: dict[bytes, tuple[int, bytes, Receipt]] = {}
    for n, _, key, receipt in keyed:
        first.setdefault(key.key, (n, key.body, receipt))
    rows = [(k.key, k.body, msgspec.msgpack.encode(r[:2]), k.expires) for n, _, k, r in keyed if first[k.key][0] == n]
    kept = await tx.messages.claim_answers(rows, min(s.created for _, s, _, _ in keyed))
    out: dict[int, Receipt | Exception] = {}
    for n, _, key, _ in keyed:
        owner, body, receipt = first[key.key]
        if key.key in kept:
            body, answer = kept[key.key]
            raw_id, states = msgspec.msgpack.decode(answer, type=tuple[bytes, tuple[DeliveryState, ...]])
            receipt = Receipt(raw_id, states)
        elif owner == n:
            continue
        out[n] = _again(receipt) if body == key.body else _reused()
    return out


def _again(receipt: Receipt) -> Receipt:
    return Receipt(receipt.id, receipt.states, replayed=True)


def _reused() -> Conflict:
    return Conflict(
        "idempotency_key_reused",
        "This Idempotency-Key was used with a different request in the last 24 hours. Use a new key.",
    )
