"""Retention of messages: content is let go first, then everything that is known of a message goes.

Each verb does a bounded piece of work and says whether there is more, so that no transaction
is long. What it did is in the rows; killed anywhere, the next run goes on from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from mailward.core.messages.model import Delivery, Message
from mailward.core.messages.words import tokens_of
from mailward.core.workspaces.retention import DAY_US


class ExpiringMessages(Protocol):
    """What retention needs of the messages repository."""

    async def after(self, message: bytes, below: bytes, limit: int) -> list[Message]: ...

    async def unindex(self, pairs: Sequence[tuple[bytes, bytes]]) -> None:
        """Remove (token, message) pairs from the search index."""

    async def erase(self, ids: Sequence[bytes]) -> None:
        """Remove messages with deliveries, attempts, moments and what retention noted of them."""


class ExpiringDeliveries(Protocol):
    """What retention needs of the deliveries repository."""

    async def of(self, messages: Sequence[bytes]) -> dict[bytes, list[Delivery]]: ...


class RetentionRepo(Protocol):
    """How far content was let go, and what keeps it longer."""

    async def content_upto(self) -> bytes: ...

    async def advance(self, upto: bytes) -> None: ...

    async def between(self, after: bytes, below: bytes, limit: int) -> list[bytes]: ...

    async def open_among(self, messages: Sequence[bytes]) -> set[bytes]: ...

    async def let_go(self, messages: Sequence[bytes], now: int) -> None: ...

    async def wait(self, messages: Iterable[bytes]) -> None: ...

    async def waiting(self, after: bytes, limit: int) -> list[bytes]: ...

    async def waited(self, messages: Iterable[bytes]) -> None: ...

    async def erases_below(self, below: bytes) -> bytes:
        """Down from a bound, the one to which this store erases: the bound itself, or the begin of its UTC day."""

    async def strays(self, below: bytes, limit: int) -> list[bytes]: ...

    async def old_answers(self, now: int) -> bool:
        """Is there an idempotent answer past its time?"""

    async def erase_answers(self, now: int, limit: int) -> int:
        """Remove some of them; how many."""

    async def events_before(self, before: int, limit: int) -> list[bytes]: ...

    async def erase_events(self, events: Sequence[bytes]) -> None: ...


class DroppingDays(Protocol):
    """What a store can do that keeps each UTC day apart."""

    async def drop_day(self, below: bytes) -> int | None:
        """Drop the oldest day that lies wholly below a bound and has no open copy: how many messages it had.

        None when there is no such day. A store that keeps all days together has none: its
        rows are erased one by one. System scope.
        """


class DropTx(Protocol):
    """A system transaction."""

    @property
    def retention(self) -> DroppingDays: ...


class ExpireTx(Protocol):
    """A transaction of one workspace."""

    @property
    def messages(self) -> ExpiringMessages: ...

    @property
    def deliveries(self) -> ExpiringDeliveries: ...

    @property
    def retention(self) -> RetentionRepo: ...


async def anything_over(tx: ExpireTx, *, now: int, content_us: int, messages_us: int) -> bool:
    """Is there anything for the verbs below? Reads only, so that a quiet workspace costs no commit.

    The mark is moved past midnight even where there was no mail, since the keys of days wait for it.
    """
    upto, below = await tx.retention.content_upto(), _bound(now - content_us)
    return bool(
        _day(below) > _day(upto)
        or await tx.retention.between(upto, below, 1)
        or await tx.retention.waiting(b"", 1)
        or await tx.messages.after(b"", min(_bound(now - messages_us), upto), 1)
        or await tx.retention.old_answers(now)
    )


async def expire_content(tx: ExpireTx, *, now: int, keep_us: int, limit: int) -> bool:
    """Let go of the content of up to `limit` messages accepted before now - keep; True when there are more.

    The reference to the body goes; facts, explanation and timeline stay. A message with an
    open copy keeps its content and is noted as waiting.
    """
    below = _bound(now - keep_us)
    upto = await tx.retention.content_upto()
    if upto >= below:
        return False
    found = await tx.retention.between(upto, below, limit)
    await _release(tx, found, now)
    more = len(found) == limit
    await tx.retention.advance(found[-1] if more else (int.from_bytes(below, "big") - 1).to_bytes(16, "big"))
    return more


async def _release(tx: ExpireTx, messages: list[bytes], now: int) -> None:
    still_open = await tx.retention.open_among(messages)
    await tx.retention.wait(m for m in messages if m in still_open)
    await tx.retention.let_go([m for m in messages if m not in still_open], now)


async def expire_waiting(tx: ExpireTx, *, after: bytes, now: int, limit: int) -> bytes | None:
    """Let go of what waited for an open copy that has ended meanwhile; where to go on, None at the end."""
    found = await tx.retention.waiting(after, limit)
    still_open = await tx.retention.open_among(found)
    done = [m for m in found if m not in still_open]
    await tx.retention.let_go(done, now)
    await tx.retention.waited(done)
    return found[-1] if len(found) == limit else None


async def drop_day(tx: DropTx, *, now: int, keep_us: int) -> int | None:
    """Drop a day of messages that no workspace keeps any more: how many it had; None when there is no such day.

    `keep_us` is the longest term of all workspaces. What is of such a day goes at once,
    whatever its size; what a workspace keeps for less goes before, message by message.
    """
    return await tx.retention.drop_day(_bound(now - keep_us))


async def expire_messages(
    tx: ExpireTx, *, after: bytes, now: int, keep_us: int, key: bytes, limit: int
) -> tuple[int, bytes | None]:
    """Erase up to `limit` messages accepted before now - keep: (how many went, where to go on; None at the end).

    `key` is the workspace's search key, by which a message's tokens are found again. One with an
    open copy stays, and so does one whose content was not let go yet.
    """
    below = min(await tx.retention.erases_below(_bound(now - keep_us)), await tx.retention.content_upto())
    found = await tx.messages.after(after, below, limit)
    still_open = await tx.retention.open_among([m.id for m in found])
    done = [m for m in found if m.id not in still_open]
    copies = await tx.deliveries.of([m.id for m in done])
    await tx.messages.unindex([p for m in done for p in search_pairs(key, m, copies[m.id])])
    await tx.messages.erase([m.id for m in done])
    if len(found) == limit:
        return len(done), found[-1].id
    # An attempt that is settled after its message was erased leaves rows without one.
    strays = await tx.retention.strays(below, limit)
    await tx.messages.erase(strays)
    return len(done), None


async def expire_answers(tx: ExpireTx, *, now: int, limit: int) -> bool:
    """Forget up to `limit` idempotent answers past their time; True when there may be more."""
    return await tx.retention.erase_answers(now, limit) == limit


async def events_over(tx: ExpireTx, *, now: int, keep_us: int) -> bool:
    """Is there a webhook event from before now - keep? Reads only."""
    return bool(await tx.retention.events_before(now - keep_us, 1))


async def expire_events(tx: ExpireTx, *, now: int, keep_us: int, limit: int) -> int:
    """Forget up to `limit` webhook events from before now - keep; what is still to be told stays."""
    found = await tx.retention.events_before(now - keep_us, limit)
    await tx.retention.erase_events(found)
    return len(found)


def search_pairs(key: bytes, message: Message, copies: Sequence[Delivery]) -> list[tuple[bytes, bytes]]:
    """The (token, message) pairs under which a message is found."""
    return [(t, message.id) for t in tokens_of(key, message.facts, (c.recipient for c in copies))]


def _day(id: bytes) -> int:
    return int.from_bytes(id[:6], "big") * 1000 // DAY_US


def _bound(us: int) -> bytes:
    """The smallest id of a time in microseconds UTC."""
    return (max(0, us) // 1000).to_bytes(6, "big") + bytes(10)
