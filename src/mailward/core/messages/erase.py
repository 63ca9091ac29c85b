"""erase(): one message goes at its owner's request, before its time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from mailward.base import ids
from mailward.base.errors import Conflict, NotFound
from mailward.core.messages.expire import search_pairs
from mailward.core.messages.model import Attempt, Delivery, DeliveryState, Message
from mailward.core.workspaces.ports import AuditLog
from mailward.policy import access
from mailward.policy.access import Actor, Permission


class ErasableMessages(Protocol):
    """What erasing needs of the messages repository."""

    async def get(self, message: bytes) -> Message | None: ...

    async def timeline(self, message: bytes) -> list[tuple[int, str, str]]: ...

    async def unindex(self, pairs: Sequence[tuple[bytes, bytes]]) -> None: ...

    async def erase(self, ids: Sequence[bytes]) -> None: ...


class ErasableDeliveries(Protocol):
    """What erasing needs of the deliveries repository."""

    async def of(self, messages: Sequence[bytes]) -> dict[bytes, list[Delivery]]: ...

    async def attempts(self, message: bytes) -> list[Attempt]: ...


class Erasures(Protocol):
    """Events that tell of a message, and bodies that are still to be overwritten."""

    async def events_about(self, named: str, moments: Iterable[int]) -> list[bytes]: ...

    async def erase_events(self, events: Sequence[bytes]) -> None: ...

    async def owe(self, message: bytes, body: tuple[int, int, int], now: int) -> None: ...


class EraseTx(Protocol):
    """A transaction of one workspace."""

    @property
    def messages(self) -> ErasableMessages: ...

    @property
    def deliveries(self) -> ErasableDeliveries: ...

    @property
    def retention(self) -> Erasures: ...

    @property
    def audit(self) -> AuditLog: ...


class Erased(NamedTuple):
    """What went: how many copies and webhook events, and the body whose octets are to be overwritten now."""

    copies: int
    events: int
    body: tuple[int, int, int] | None


async def erase(tx: EraseTx, actor: Actor, message: bytes, *, key: bytes, now: int) -> Erased:
    """Remove a message, all rows that hang on it and its search tokens; `key` is the workspace's search key.

    What waits is not sent any more. Conflict while a copy is under way: it could be recorded anew
    when it ends. The body's place is noted in this transaction, so its octets are overwritten
    even if the process ends here. The audit log keeps the message's id and counts.
    """
    access.require(actor, Permission.MESSAGE_ERASE)
    found = await tx.messages.get(message)
    if found is None:
        raise NotFound("not_found", "There is no message with that id.")
    copies = (await tx.deliveries.of([message]))[message]
    if any(c.state is DeliveryState.LEASED for c in copies):
        raise Conflict("message_under_way", "A copy of this message is being sent now; erase it when that has ended.")
    name = ids.encode("msg", message)
    moments = {found.created, *(c.updated for c in copies)}
    moments |= {a.at for a in await tx.deliveries.attempts(message)}
    moments |= {at for at, _, _ in await tx.messages.timeline(message)}
    events = await tx.retention.events_about(name, moments)
    await tx.retention.erase_events(events)
    await tx.messages.unindex(search_pairs(key, found, copies))
    await tx.messages.erase([message])
    if found.body is not None:
        await tx.retention.owe(message, found.body, now)
    facts = {"copies": str(len(copies)), "events": str(len(events)), "content": "yes" if found.body else "already gone"}
    await tx.audit.append(actor, "message.erased", name, facts, now=datetime.fromtimestamp(now / 1e6, UTC))
    return Erased(len(copies), len(events), found.body)
