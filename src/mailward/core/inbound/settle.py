"""settle(): write how attempts went and decide what follows, up to disabling the route."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol, assert_never
from urllib.parse import urlsplit

from mailward.base import ids
from mailward.base.ids import WorkspaceId
from mailward.base.outcome import Done, Outcome, PermFail, TempFail
from mailward.base.sources import Entropy
from mailward.core.inbound.ended import handed
from mailward.core.inbound.model import Attempt, CopyState, Result
from mailward.core.inbound.ports import AuditedInboundTx
from mailward.policy import posting
from mailward.policy.access import Actor
from mailward.policy.redaction import gone, talkative

GONE = "it answered 410 Gone"
SILENT = "it took no message for five days"


class Tells(Protocol):
    """Tells the workspace's webhooks, in the same transaction."""

    async def __call__(self, tx: Any, happened: Sequence[tuple[str, str, int, dict[str, object]]]) -> None: ...


def judge(result: Result) -> Outcome:
    """What an answer means for a message that is ours already, or that there is nothing to hand over."""
    if result.lost:
        return PermFail("content_gone", result.error, code=0)
    return posting.judge(result.status, result.error, result.retry_after)


async def settle(
    tx: AuditedInboundTx, results: Sequence[Result], *, now: datetime, entropy: Entropy, tell: Tells
) -> None:
    """Record attempts of one workspace, schedule what is to be tried again, disable who is gone or long silent.

    A result whose attempt was recorded before (by a worker that took the lease over) changes nothing.
    """
    at = int(now.timestamp() * 1_000_000)
    for result in results:
        work = result.work
        state, due, word = _next(judge(result), work.number, at, entropy)
        received, route = work.message.id, work.route.id
        if not await tx.inbound.finish(received, route, number=work.number, state=state, due=due):
            continue
        attempt = Attempt(
            id=ids.new_raw(at // 1000, entropy),
            received=received,
            route=route,
            at=at,
            number=work.number,
            outcome=word,
            status=result.status,
            elapsed_ms=result.elapsed_ms,
            response=_said(result),
            next_due=due or 0,
        )
        await tx.inbound.add_attempts([attempt])
        if work.message.facts.redacted and state is not CopyState.RECEIVED:
            await handed(tx, received, work.message.facts.redacted, now=at)
        if not result.lost:
            await tx.inbound.note_answer(route, taken=word == "handed_over", at=at)
        if word == "disabled":
            await _disable(tx, result, GONE, now=now, tell=tell)
        elif word in ("failed", "retry") and not result.lost:
            await _disable_if_silent(tx, result, at, last=word == "failed", now=now, tell=tell)


def _said(result: Result) -> str:
    """What the endpoint answered, unless it could repeat what is not stored of the message."""
    said = posting.said(result.body, result.error)
    if result.lost:
        return said  # words of ours
    return gone(said) if talkative(result.work.message.facts.redacted) else said


def _next(outcome: Outcome, number: int, at: int, entropy: Entropy) -> tuple[CopyState, int | None, str]:
    match outcome:
        case Done():
            return CopyState.HANDED_OVER, None, "handed_over"
        case PermFail(reason="content_gone"):
            return CopyState.EXPIRED, None, "failed"
        case PermFail():
            return CopyState.FAILED, None, "disabled"
        case TempFail():
            due = posting.next_attempt(outcome, number, at, entropy.bytes(1)[0] / 256)
            return (CopyState.FAILED, None, "failed") if due is None else (CopyState.RECEIVED, due, "retry")
        case _:
            assert_never(outcome)


async def _disable_if_silent(
    tx: AuditedInboundTx, result: Result, at: int, *, last: bool, now: datetime, tell: Tells
) -> None:
    route = await tx.inbound.route(result.work.route.id)
    came = result.work.message.at
    if route is not None and posting.silent_too_long(route.failing_since, at, last=last, since=came):
        await _disable(tx, result, SILENT, now=now, tell=tell)


async def _disable(tx: AuditedInboundTx, result: Result, why: str, *, now: datetime, tell: Tells) -> None:
    """Off, with what waits for it ended; audited, told to the webhooks, and due to be told to people.

    Mail for its addresses is refused from then on, so that senders learn of it and keep their copy.
    """
    await tx.audit.in_turn(ids.encode("ws", result.work.workspace))
    route = await tx.inbound.route(result.work.route.id)
    if route is None or not route.enabled:
        return
    at = int(now.timestamp() * 1_000_000)
    name = ids.encode("rte", route.id)
    await tx.inbound.update_route(replace(route, enabled=False, disabled_reason=why, disabled_at=at, owner_told="due"))
    ended = await tx.inbound.end_copies(route.id)
    actor = Actor(WorkspaceId(ids.encode("ws", result.work.workspace)), "system", "inbound")
    host = urlsplit(route.url).hostname or ""
    await tx.audit.append(
        actor, "route.disabled", name, {"reason": why, "messages_ended": str(ended), "host": host}, now=now
    )
    told: dict[str, object] = {
        "route": name,
        "domain": route.domain,
        "url": route.url,
        "reason": why,
        "last_status": result.status or None,
        "messages_ended": ended,
    }
    await tell(tx, [("route.disabled", name, at, told)])
