"""record(): the instant at which the platform becomes responsible, for a list of messages at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from mailward.base.errors import Conflict
from mailward.core.messages.ended import ended
from mailward.core.messages.model import FACTS_ENCODER, DeliveryState
from mailward.core.messages.ports import DeliveryRow, MessageRow
from mailward.core.submission import answers
from mailward.core.submission.model import Group, GroupReceipt, Idempotency, Receipt, StaleJudgement, Submission
from mailward.core.submission.ports import SubmissionTx
from mailward.core.submission.tell import events_of
from mailward.core.suppression.model import Found, blocked
from mailward.core.webhooks.enqueue import enqueue_events
from mailward.core.webhooks.model import EndpointsSnapshot, Event


class _Fresh(NamedTuple):
    """A message to be written, with what the suppression list says of its copies."""

    submission: Submission
    body: Any
    states: tuple[DeliveryState, ...]
    reasons: list[str | None]


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
    judged = {n: _Fresh(s, body, *_judged(s, suppressed)) for n, (s, body) in enumerate(items) if s.epochs in stand}
    keyed = [(n, f.submission.idempotency, answers.of_one(f.submission, f.states)) for n, f in judged.items()
             if f.submission.idempotency is not None]  # fmt: skip
    earlier = await _claim(tx, keyed, min(judged[n].submission.created for n, _, _ in keyed)) if keyed else {}
    fresh: list[_Fresh] = []
    results: list[Receipt | Exception] = []
    for number, (submission, _) in enumerate(items):
        if number not in judged:
            results.append(StaleJudgement())
        elif number in earlier:
            told = earlier[number]
            results.append(told if isinstance(told, Conflict) else answers.one(told))
        else:
            fresh.append(judged[number])
            results.append(Receipt(submission.id, judged[number].states))
    await _write(tx, fresh, endpoints)
    return results


async def record_groups(tx: SubmissionTx, groups: Sequence[Group]) -> list[GroupReceipt | Exception]:
    """The same for messages that belong together: each group is written whole, or nothing of it is.

    Its key stands for the whole request: what was answered then is answered again in every place.
    """
    members = [member for g in groups for member in g.members]
    stand = await _standing(tx, {s.epochs for s, _ in members})
    suppressed = await tx.suppressions.among([r.token for s, _ in members for r in s.recipients])
    endpoints = await tx.webhooks.audience()
    judged: dict[int, list[_Fresh]] = {}
    for n, g in enumerate(groups):
        if all(s.epochs in stand for s, _ in g.members):
            judged[n] = [_Fresh(s, body, *_judged(s, suppressed)) for s, body in g.members]
    keyed = [
        (n, claim, answers.of_several([(f.submission, f.states) for f in found], groups[n].others))
        for n, found in judged.items()
        if (claim := groups[n].claim) is not None
    ]
    earlier = await _claim(tx, keyed, min(judged[n][0].submission.created for n, _, _ in keyed)) if keyed else {}
    fresh: list[_Fresh] = []
    results: list[GroupReceipt | Exception] = []
    for n, g in enumerate(groups):
        if n not in judged:
            results.append(StaleJudgement())
        elif n in earlier:
            told = earlier[n]
            results.append(told if isinstance(told, Conflict) else GroupReceipt(answers.several(told), replayed=True))
        else:
            fresh += judged[n]
            made = iter([Receipt(f.submission.id, f.states) for f in judged[n]])
            places = range(len(g.members) + len(g.others))
            results.append(GroupReceipt([g.others[i] if i in g.others else next(made) for i in places]))
    await _write(tx, fresh, endpoints)
    return results


async def keep_bodies(_: object, items: Sequence[tuple[bytes, Any]]) -> list[Any]:
    """Bodies whose messages are recorded later, together: where each lies. Nothing names them until then."""
    return [body for _, body in items]


async def _write(tx: SubmissionTx, fresh: Sequence[_Fresh], endpoints: EndpointsSnapshot) -> None:
    if not fresh:
        return
    events: list[Event] = []
    messages: list[MessageRow] = []
    deliveries: list[DeliveryRow] = []
    held: list[tuple[bytes, int, str, str]] = []
    private: list[tuple[bytes, bytes]] = []
    for submission, body, states, reasons in fresh:
        created = submission.created
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
        if submission.state is DeliveryState.HELD and DeliveryState.HELD in states:
            facts = msgspec.json.encode({"reason": submission.reason or ""}).decode()
            held.append((submission.id, created, "held", facts))
        if endpoints.by_type:
            events += events_of(submission, states, reasons, endpoints)
    await tx.messages.insert(messages)
    await tx.deliveries.insert(deliveries)
    if held:
        await tx.messages.timeline_add_all(held)
    await tx.messages.count(messages[0][1], {"accepted": len(messages)})
    if private:
        await tx.redaction.keep(private)
        redacted = {f.submission.id: f.submission.facts.redacted for f in fresh}
        await ended(tx, {id: redacted[id] for id, _ in private}, now=messages[0][1])
    if events:
        await enqueue_events(tx, events, endpoints=endpoints)


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


async def _claim(
    tx: SubmissionTx, keyed: Sequence[tuple[int, Idempotency, bytes]], now: int
) -> dict[int, bytes | Conflict]:
    """Keep these answers under their keys. For each whose key has an answer already: that, or a Conflict.

    One question to the store for all of them, however many there are.
    """
    first: dict[bytes, tuple[int, bytes, bytes]] = {}
    for n, key, answer in keyed:
        first.setdefault(key.key, (n, key.body, answer))
    rows = [(k.key, k.body, answer, k.expires) for n, k, answer in keyed if first[k.key][0] == n]
    kept = await tx.messages.claim_answers(rows, now)
    out: dict[int, bytes | Conflict] = {}
    for n, key, _ in keyed:
        owner, body, answer = first[key.key]
        if key.key in kept:
            body, answer = kept[key.key]
        elif owner == n:
            continue
        out[n] = answer if body == key.body else answers.reused()
    return out
