"""settle(): write how attempts went and decide what follows, up to disabling the endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import assert_never
from urllib.parse import urlsplit

from mailward.base import ids
from mailward.base.ids import WorkspaceId
from mailward.base.outcome import Done, Outcome, PermFail, TempFail
from mailward.base.sources import Entropy
from mailward.core.webhooks.enqueue import enqueue_events, instant
from mailward.core.webhooks.model import Attempt, Endpoint, Event, JobState, Result, event_id
from mailward.core.webhooks.ports import AuditedWebhookTx
from mailward.policy import posting
from mailward.policy.access import Actor

GONE = "it answered 410 Gone"
SILENT = "it took no event for five days"


async def settle(tx: AuditedWebhookTx, results: Sequence[Result], *, now: datetime, entropy: Entropy) -> None:
    """Record attempts of one workspace, schedule what is to be tried again, disable who is gone or long silent.

    A result whose attempt was recorded before (by a worker that took the lease over) changes nothing.
    """
    at = int(now.timestamp() * 1_000_000)
    # Other nodes write of the same endpoints at this moment: in one order none waits for another crosswise.
    for result in sorted(results, key=lambda r: r.work.webhook):
        work = result.work
        outcome = posting.judge(result.status, result.error, result.retry_after)
        state, due, word = _next(outcome, work.number, at, entropy)
        if not await tx.webhooks.finish(work.webhook, work.event, number=work.number, state=state, due=due):
            continue
        attempt = Attempt(
            id=ids.new_raw(at // 1000, entropy),
            webhook=work.webhook,
            event=work.event,
            type=work.type,
            at=at,
            number=work.number,
            outcome=word,
            status=result.status,
            elapsed_ms=result.elapsed_ms,
            response=posting.said(result.body, result.error),
            next_due=due or 0,
        )
        await tx.webhooks.add_attempt(attempt)
        await tx.webhooks.note_answer(work.webhook, taken=word == "delivered", at=at)
        if word == "disabled":
            await _disable(tx, result, GONE, now=now)
        elif word in ("failed", "retry"):
            await _disable_if_silent(tx, result, at, last=word == "failed", now=now)


def _next(outcome: Outcome, number: int, at: int, entropy: Entropy) -> tuple[JobState, int | None, str]:
    match outcome:
        case Done():
            return JobState.DELIVERED, None, "delivered"
        case PermFail():
            return JobState.FAILED, None, "disabled"
        case TempFail():
            due = posting.next_attempt(outcome, number, at, entropy.bytes(1)[0] / 256)
            return (JobState.FAILED, None, "failed") if due is None else (JobState.PENDING, due, "retry")
        case _:
            assert_never(outcome)


async def _disable_if_silent(tx: AuditedWebhookTx, result: Result, at: int, *, last: bool, now: datetime) -> None:
    endpoint = await tx.webhooks.get(result.work.webhook)
    happened = int.from_bytes(result.work.event[:6], "big") * 1000
    if endpoint is not None and posting.silent_too_long(endpoint.failing_since, at, last=last, since=happened):
        await _disable(tx, result, SILENT, now=now)


async def _disable(tx: AuditedWebhookTx, result: Result, why: str, *, now: datetime) -> None:
    """Off, with what waits for it ended; audited, told to the other endpoints, and due to be told to people."""
    await tx.audit.in_turn(ids.encode("ws", result.work.workspace))
    endpoint = await tx.webhooks.get(result.work.webhook)
    if endpoint is None or not endpoint.enabled:
        return
    at = int(now.timestamp() * 1_000_000)
    name = ids.encode("whk", endpoint.id)
    endpoint = replace(endpoint, enabled=False, disabled_reason=why, disabled_at=at, owner_told="due")
    await tx.webhooks.update(endpoint)
    ended = await tx.webhooks.cancel_jobs(endpoint.id)
    actor = Actor(WorkspaceId(ids.encode("ws", result.work.workspace)), "system", "webhooks")
    facts = {"reason": why, "events_ended": str(ended), "host": urlsplit(endpoint.url).hostname or ""}
    await tx.audit.append(actor, "webhook.disabled", name, facts, now=now)
    event = Event(event_id(at, "endpoint.disabled", name), "endpoint.disabled", at, _told(endpoint, result, ended))
    await enqueue_events(tx, [event], endpoints=await tx.webhooks.audience())


def _told(endpoint: Endpoint, result: Result, ended: int) -> dict[str, object]:
    data: dict[str, object] = {
        "webhook": ids.encode("whk", endpoint.id),
        "url": endpoint.url,
        "description": endpoint.description,
        "reason": endpoint.disabled_reason,
        "last_status": result.status or None,
        "events_ended": ended,
    }
    if endpoint.failing_since is not None:
        data["failing_since"] = instant(endpoint.failing_since)
    return data
