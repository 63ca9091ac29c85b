"""pause() and resume(): hold what is accepted from now on, of one stream or of the whole workspace.

A paused stream still accepts: the sender's `202` or `250` stands, the message is recorded as
held, and `release` sends it. What was accepted before goes on its way. Resuming releases
nothing by itself, since what was held may be just what nobody wants to be sent.
"""

from __future__ import annotations

from datetime import UTC, datetime

from mailward.base.errors import Conflict, Invalid
from mailward.core.messages.model import Pause
from mailward.core.messages.ports import PausesTx
from mailward.policy import access
from mailward.policy.access import Actor, Permission

EVERY_STREAM = ""
STREAMS = ("transactional", "broadcast")
REASON_MAX = 200
# What may be sent changed: the epoch that each commit of a message compares with the one it was judged by.
EPOCH = "domains_epoch"


async def pauses(tx: PausesTx, actor: Actor) -> list[Pause]:
    """What is paused now; none when mail flows."""
    access.require(actor, Permission.MESSAGE_READ)
    return await tx.deliveries.pauses()


async def pause(tx: PausesTx, actor: Actor, *, stream: str = EVERY_STREAM, reason: str = "", now: int) -> Pause:
    """Hold new mail of a stream ("": of every one) from this commit on. Conflict when it is paused already."""
    access.require(actor, Permission.MESSAGE_CHANGE)
    _check(stream)
    if len(reason) > REASON_MAX or not reason.isprintable():
        raise Invalid("invalid_field", "A reason has at most 200 printable characters.", field="reason")
    made = Pause(stream, now, reason)
    if not await tx.deliveries.pause(made):
        raise Conflict("paused_already", "This is paused already.")
    await tx.counters.bump(EPOCH, own=True)
    facts = {"stream": stream or "every", "reason": reason}
    await tx.audit.append(actor, "sending.paused", actor.workspace, facts, now=_when(now))
    return made


async def resume(tx: PausesTx, actor: Actor, *, stream: str = EVERY_STREAM, now: int) -> None:
    """Let new mail of a stream flow again; what is held stays held. Conflict when it is not paused."""
    access.require(actor, Permission.MESSAGE_CHANGE)
    _check(stream)
    if not await tx.deliveries.unpause(stream):
        raise Conflict("not_paused", "This is not paused.")
    await tx.counters.bump(EPOCH, own=True)
    await tx.audit.append(actor, "sending.resumed", actor.workspace, {"stream": stream or "every"}, now=_when(now))


def _check(stream: str) -> None:
    if stream != EVERY_STREAM and stream not in STREAMS:
        raise Invalid("invalid_field", "There is no such stream.", field="stream")


def _when(now: int) -> datetime:
    return datetime.fromtimestamp(now / 1e6, UTC)
