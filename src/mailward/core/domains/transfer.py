"""A name that one workspace holds and another one proves: asked for, granted or refused, never taken."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from mailward.base import ids
from mailward.base.errors import Conflict, Forbidden, NotFound
from mailward.base.ids import WorkspaceId
from mailward.base.sources import Entropy
from mailward.core.domains.add import EPOCH
from mailward.core.domains.model import (
    TRANSFER_ASKED,
    TRANSFER_WAIT,
    TRANSFERRED,
    Domain,
    Inspection,
    Transfer,
    TransferState,
)
from mailward.core.domains.ports import DomainsTx, TransfersRepo
from mailward.core.domains.settle import proven
from mailward.core.workspaces.notices import NoticesTx, tell_owner
from mailward.policy import access
from mailward.policy.access import Actor, Permission

_MOST_KEYS = 1000


class TransferTx(DomainsTx, NoticesTx, Protocol):
    """A transaction of the system scope with what these verbs use."""

    @property
    def transfers(self) -> TransfersRepo: ...

    @property
    def credentials(self) -> Any: ...

    @property
    def revocations(self) -> Any: ...


async def ask(
    tx: TransferTx, actor: Actor, domain: Domain, inspection: Inspection, shown: Sequence[Any], *, now: datetime,
    entropy: Entropy,
) -> Transfer:  # fmt: skip
    """Ask for a name that another workspace holds. System scope; asking again gives the same transfer.

    `inspection` is a fresh look at DNS with the asker's own token and keys (`shown`): who
    cannot prove the name now may not even ask, and learns nothing of who holds it. Conflict
    `not_proven` then, `not_held` when nobody else holds it.
    """
    access.require(actor, Permission.DOMAIN_CHANGE)
    if proven(domain, list(shown), inspection) is not True:
        raise Conflict("not_proven", "Publish the records of your own workspace first: they prove the name is yours.")
    found = await tx.domains.holder(domain.name)
    if found is None or found[0] == ids.decode("ws", actor.workspace):
        raise Conflict("not_held", "No other workspace holds this name. Have it checked.")
    if there := await tx.transfers.open(domain.id):
        return there
    holder = WorkspaceId(ids.encode("ws", found[0]))
    made = Transfer(
        ids.new("trf", now, entropy),
        actor.workspace,
        domain.id,
        holder,
        found[1].id,
        now,
        actor.id,
        TransferState.ASKED,
    )
    await tx.transfers.insert(made)
    facts = {"name": domain.name, "transfer": made.id}
    await tx.audit.append(actor, "domain.transfer_asked", domain.id, facts, now=now)
    system = Actor(holder, "system", "transfers")
    await tx.audit.append(system, "domain.transfer_asked", made.held, facts, now=now)
    await tell_owner(tx, holder, TRANSFER_ASKED, made.held, now=now)
    return made


async def decide(tx: TransferTx, actor: Actor, id: str, *, grant: bool, now: datetime) -> Transfer:
    """Grant or refuse. System scope. By the holder at any time, by the operator (who has no workspace) after the wait.

    What is granted leaves the holder with its signing keys, and every credential that
    could send from it alone is revoked; its routes are dropped before (`app.platform.transfers`).
    The asker gets nothing by it but a free name: the next look at DNS verifies it there.
    NotFound for everybody else, the asker included.
    """
    transfer = await tx.transfers.get(id)
    if transfer is None:
        raise NotFound("not_found", "There is no such transfer.")
    require_decidable(transfer, actor, now=now)
    state = TransferState.GRANTED if grant else TransferState.REFUSED
    if not await tx.transfers.decide(id, state, now):
        raise Conflict("already_decided", "This transfer was decided already.")
    in_holder = Actor(transfer.holder, actor.kind, actor.id, address=actor.address)
    in_asker = Actor(transfer.asker, "system", "transfers")
    facts = {"transfer": id, "by": "the holder" if actor.workspace else "the installation's operator"}
    if grant:
        facts |= await _let_go(tx, in_holder, transfer, now)
    act = "domain.transferred" if grant else "domain.transfer_refused"
    await tx.audit.append(in_holder, act, transfer.held, facts, now=now)
    await tx.audit.append(in_asker, act, transfer.domain, {"transfer": id}, now=now)
    if not actor.workspace:
        await tx.audit.append(actor, act, transfer.held, {"transfer": id, "from": transfer.holder}, now=now)
    return transfer


def require_decidable(transfer: Transfer, actor: Actor, *, now: datetime) -> None:
    """Raise unless this actor may decide now: the holder, or after the wait the operator."""
    if actor.workspace:
        if actor.workspace != transfer.holder:
            raise NotFound("not_found", "There is no such transfer.")
        access.require(actor, Permission.DOMAIN_CHANGE)
    elif now - transfer.asked < TRANSFER_WAIT:
        raise Forbidden(
            "holder_decides", f"The holder alone decides for {TRANSFER_WAIT.days} days from when it was asked."
        )
    if transfer.state is not TransferState.ASKED:
        raise Conflict("already_decided", "This transfer was decided already.")


async def _let_go(tx: TransferTx, holder: Actor, transfer: Transfer, now: datetime) -> dict[str, str]:
    raw = ids.decode("ws", transfer.holder)
    held = await tx.domains.held(raw, transfer.held)
    if held is None:
        # Removed meanwhile: the name is free already.
        return {}
    await tx.domains.take_away(raw, held.id)
    ended = 0
    for credential in await tx.credentials.bound_to(transfer.holder, held.name, _MOST_KEYS):
        if await tx.credentials.revoke(credential.id, now):
            ended += 1
            facts = {"kind": credential.kind.value, "name": credential.name, "reason": "domain transferred"}
            await tx.audit.append(holder, "credential.revoked", credential.id, facts, now=now)
    await tx.revocations.bump()
    await tx.counters.bump(EPOCH)
    await tell_owner(tx, transfer.holder, TRANSFERRED, held.name, now=now)
    return {"name": held.name, "credentials": str(ended)}
