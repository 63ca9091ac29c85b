"""Reading in a workspace by a grant: the grant is looked at and the read is logged in the transaction that reads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

from mailward.base.errors import Forbidden
from mailward.core.operators.grants import approver_serves
from mailward.core.operators.model import Grant, Reach, Reader
from mailward.core.operators.ports import OperatorsTx
from mailward.policy.access import Actor, Role

T = TypeVar("T")
Tx = TypeVar("Tx", bound=OperatorsTx)


def reader_by(grant: Grant) -> Reader:
    """The actor that a grant makes of its operator. Whether it is live is asked at each read, not here."""
    return Reader(grant.workspace, "operator", grant.operator, grant.permissions, Role.SUPER_ADMIN, grant=grant.id)


async def require_live(tx: OperatorsTx, reader: Actor, reach: Reach | None, *, now: datetime) -> Grant:
    """The grant, when it opens that much of the workspace now; Forbidden 'no_grant' otherwise, for whatever reason.

    Nothing the reader carries is believed but the grant's id. The people it rests on are
    looked up again each time, so that a grant is over with whoever asked for or approved it.
    """
    grant = await tx.operators.grant(reader.grant) if isinstance(reader, Reader) and reader.grant else None
    if grant is None or grant.workspace != reader.workspace or grant.operator != reader.id:
        raise _refused("no such grant")
    if not grant.is_live(now):
        raise _refused("not live")
    if reach is not None and reach not in grant.wish.reach:
        raise _refused(f"does not reach {reach.value}")
    operator = await tx.operators.get(grant.operator)
    if operator is None or not operator.serving:
        raise _refused("no operator any more")
    if grant.approved is not None and not await approver_serves(tx, grant):
        raise _refused("approver is no operator any more")
    return grant


async def reading(
    tx: Tx,
    reader: Actor,
    reach: Reach | None,
    act: str,
    target: str,
    verb: Callable[[Tx], Awaitable[T]],
    *,
    now: datetime,
) -> T:
    """Run a verb that reads, with its entry in the customer's log. What it found is shown only after the commit."""
    grant = await require_live(tx, reader, reach, now=now)
    found = await verb(tx)
    await tx.audit.append(reader, "operator_access.read", target, {"grant": grant.id, "what": act}, now=now)
    return found


def _refused(detail: str) -> Forbidden:
    return Forbidden("no_grant", "There is no live grant for this. Ask for one.", detail=detail)
