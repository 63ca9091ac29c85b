"""What a workspace wants tracked."""

from __future__ import annotations

from datetime import datetime

from mailward.base import ids
from mailward.base.errors import Invalid, NotFound
from mailward.core.domains.add import EPOCH
from mailward.core.tracking.model import STREAMS, WHOLE, Change, Modes, of_scopes
from mailward.core.tracking.ports import TrackingTx
from mailward.policy import access
from mailward.policy.access import Actor, Permission


async def modes(tx: TrackingTx, actor: Actor) -> Modes:
    """What is said now. Who may see domains may see it."""
    access.require(actor, Permission.DOMAIN_READ)
    return of_scopes(await tx.tracking.modes())


async def change_modes(tx: TrackingTx, actor: Actor, change: Change, *, now: datetime) -> Modes:
    """Say something else, of mail that is accepted after the commit; what is not named stays.

    Raises NotFound for a domain, and Invalid `invalid_stream` for a stream, that the workspace does not have.
    """
    access.require(actor, Permission.DOMAIN_CHANGE)
    held = await tx.tracking.modes()
    for scope, mode in change.scopes.items():
        if held.get(scope) == mode:
            continue
        target = await _target(tx, actor, scope)
        await tx.tracking.put_mode(scope, mode)
        facts = {"of": target, "mode": mode.value if mode is not None else "inherited"}
        await tx.audit.append(actor, "tracking.changed", target, facts, now=now)
    # Workers keep what they know of domains until this moves, and a commit compares it.
    await tx.counters.bump(EPOCH, own=True)
    return of_scopes(await tx.tracking.modes())


async def _target(tx: TrackingTx, actor: Actor, scope: str) -> str:
    if scope == WHOLE:
        return actor.workspace
    if scope.startswith("s:"):
        if scope[2:] not in STREAMS:
            raise Invalid("invalid_stream", f"A stream is one of {', '.join(STREAMS)}.", field="streams")
        return scope[2:]
    domain = ids.encode("dom", bytes.fromhex(scope[2:]))
    if await tx.domains.get(domain) is None:
        raise NotFound("not_found", "There is no such domain in this workspace.")
    return domain
