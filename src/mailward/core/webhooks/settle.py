"""settle(): write how attempts went and decide what follows; attempts(): read them back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import assert_never

from mailward.base import ids
from mailward.base.outcome import Done, Outcome, PermFail, TempFail
from mailward.base.sources import Entropy
from mailward.core.webhooks.endpoints import find
from mailward.core.webhooks.model import (
    RESPONSE_KEPT,
    RETRY_AFTER_MAX,
    Attempt,
    AttemptPage,
    JobState,
    Result,
    delay_before,
)
from mailward.core.webhooks.ports import WebhookTx
from mailward.policy.access import Actor


def judge(result: Result) -> Outcome:
    """What an answer means: 2xx is done, 410 is a farewell, everything else (redirects too) is tried again."""
    if result.error:
        return TempFail("no_answer", result.error)
    if 200 <= result.status < 300:
        return Done()
    if result.status == 410:
        return PermFail("gone", "The endpoint answered 410 Gone.", code=410)
    return TempFail("refused", f"HTTP {result.status}", code=result.status, retry_after=result.retry_after)


async def settle(tx: WebhookTx, results: Sequence[Result], *, now: datetime, entropy: Entropy) -> None:
    """Record attempts of one workspace and schedule what is to be tried again.

    A result whose attempt was recorded before (by a worker that took the lease over) changes nothing.
    """
    at = int(now.timestamp() * 1_000_000)
    for result in results:
        work = result.work
        state, due, word = _next(judge(result), work.number, at, entropy)
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
            response=result.error or result.body[:RESPONSE_KEPT].decode("utf-8", "replace"),
            next_due=due or 0,
        )
        await tx.webhooks.add_attempt(attempt)
        if word == "disabled":
            await _disable(tx, work.webhook)


def _next(outcome: Outcome, number: int, at: int, entropy: Entropy) -> tuple[JobState, int | None, str]:
    match outcome:
        case Done():
            return JobState.DELIVERED, None, "delivered"
        case PermFail():
            return JobState.FAILED, None, "disabled"
        case TempFail(retry_after=asked):
            delay = delay_before(number + 1, entropy.bytes(1)[0] / 256)
            if delay is None:
                return JobState.FAILED, None, "failed"
            if asked is not None:
                delay = max(delay, min(asked, RETRY_AFTER_MAX))
            return JobState.PENDING, at + int(delay * 1_000_000), "retry"
        case _:
            assert_never(outcome)


async def _disable(tx: WebhookTx, webhook: bytes) -> None:
    endpoint = await tx.webhooks.get(webhook)
    if endpoint is not None and endpoint.enabled:
        await tx.webhooks.update(replace(endpoint, enabled=False, disabled_reason="it answered 410 Gone"))
        await tx.webhooks.cancel_jobs(webhook)


async def attempts(
    tx: WebhookTx, actor: Actor, webhook: str, *, cursor: str | None = None, limit: int = 25
) -> AttemptPage:
    """Tries of an endpoint, newest first; `cursor` is the id of the last one seen."""
    endpoint = await find(tx, actor, webhook)
    limit = max(1, min(limit, 100))
    before = ids.decode("att", cursor) if cursor else None
    found = await tx.webhooks.attempts(endpoint.id, before=before, limit=limit + 1)
    return AttemptPage(found[:limit], found[limit - 1].id if len(found) > limit else None)
