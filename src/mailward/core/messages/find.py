"""find(): list and search, newest first, by the index and not by a scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from mailward.core.messages.model import Delivery, Message, overall
from mailward.core.messages.model import DeliveryState as S
from mailward.core.messages.ports import DeliveriesRepo, MessagesRepo
from mailward.core.messages.words import carries, tokens_for, tokens_of
from mailward.policy import access
from mailward.policy.access import Actor, Permission

# How many rows a filter without an index (stream) looks at before it hands back a page that may be short.
_LOOK_AT_MOST = 1200
# So many messages of a status, at most, are looked through for words; with more of them the words lead.
_FEW = 1000
# In which states a message of that status has a copy: it is one of these messages, but not all of them are.
_STATES = {
    "queued": (S.QUEUED,),
    "scheduled": (S.QUEUED,),
    "sending": (S.LEASED,),
    "held": (S.HELD,),
    "bounced": (S.BOUNCED,),
    "expired": (S.EXPIRED,),
    "suppressed": (S.SUPPRESSED,),
    "cancelled": (S.CANCELLED,),
    "discarded": (S.DISCARDED,),
    "partly": (S.SUPPRESSED, S.CANCELLED, S.DISCARDED),
}
# Messages that are not in the index yet, at a time.
_FRESH = 1000


@dataclass(frozen=True, slots=True)
class Query:
    """Filters are joined by "and". Times are microseconds UTC; `before` is the id a page ended with."""

    limit: int = 25
    before: bytes | None = None
    status: str | None = None
    stream: str | None = None
    to: str | None = None
    sender: str | None = None
    subject: str | None = None
    tag: str | None = None
    message_id: str | None = None
    since: int | None = None
    until: int | None = None


class Found(NamedTuple):
    """A message with its deliveries."""

    message: Message
    deliveries: list[Delivery]


class Page(NamedTuple):
    """Newest first; `next` is the `before` of the following page, None at the end."""

    found: list[Found]
    next: bytes | None


class IndexedMessages(MessagesRepo, Protocol):
    """Messages with their search index."""

    async def indexed_upto(self) -> bytes: ...

    async def index(self, rows: Sequence[tuple[bytes, bytes]], upto: bytes) -> None: ...

    async def after(self, message: bytes, below: bytes, limit: int) -> list[Message]: ...


class FindTx(Protocol):
    """A reading transaction of one workspace."""

    @property
    def messages(self) -> IndexedMessages: ...

    @property
    def deliveries(self) -> DeliveriesRepo: ...


def status_of(message: Message, deliveries: list[Delivery], now: int) -> str:
    """One word; "scheduled" while a queued message waits for its own time."""
    word = overall([d.state for d in deliveries])
    return "scheduled" if word == "queued" and message.facts.due > now else word


async def find(tx: FindTx, actor: Actor, query: Query, *, key: bytes, now: int) -> Page:
    """One page. `key` is the workspace's search key."""
    access.require(actor, Permission.MESSAGE_READ)
    wanted = tokens_for(
        key, to=query.to, sender=query.sender, subject=query.subject, tag=query.tag, message_id=query.message_id
    )
    out: list[Found] = []
    before = query.before
    if query.until is not None:
        # An id begins with its time, so the index is entered where the span ends.
        before = min(before or b"\xff" * 16, (max(0, query.until) // 1000).to_bytes(6, "big") + b"\x00" * 10)
    upto = await tx.messages.indexed_upto() if wanted else b""
    looked = 0
    by_status = query.status in _STATES and (not wanted or await _are_few(tx, query))
    while looked < _LOOK_AT_MOST:
        if by_status and (standing := await _standing(tx, query, before)) is not None:
            batch = standing
        elif not wanted:
            batch = await _by_time(tx, query, before)
        elif before is None or before > _after(upto):
            batch = await _not_indexed(tx, query, before, upto)
        else:
            batch = await _indexed(tx, query, wanted, before)
        looked += batch.looked
        deliveries = await tx.deliveries.of([m.id for m in batch.messages])
        for message in batch.messages:
            copies = deliveries[message.id]
            if query.stream is not None and message.facts.stream != query.stream:
                continue
            if by_status and not carries(query, message.facts, [d.recipient for d in copies]):
                continue
            if query.status is not None and status_of(message, copies, now) != query.status:
                continue
            out.append(Found(message, copies))
            if len(out) == query.limit:
                return Page(out, message.id)
        if batch.onward is None:
            return Page(out, None)
        before = batch.onward
    return Page(out, before)


class _Batch(NamedTuple):
    """Messages that fit, how much it was to look at them, and the `before` of the next batch: None at the end."""

    messages: list[Message]
    looked: int
    onward: bytes | None


def _after(message: bytes) -> bytes:
    return min(int.from_bytes(message, "big") + 1, (1 << 128) - 1).to_bytes(16, "big")


async def _by_time(tx: FindTx, query: Query, before: bytes | None) -> _Batch:
    """Without words: the next ones."""
    size = max(query.limit, 50)
    found = await tx.messages.page(before=before, limit=size, since=query.since, until=query.until)
    return _Batch(found, len(found), found[-1].id if len(found) == size else None)


async def _not_indexed(tx: FindTx, query: Query, before: bytes | None, upto: bytes) -> _Batch:
    """What upkeep has not indexed yet, by its facts. Nothing is read of the copies unless a recipient is asked for."""
    page = await tx.messages.page(before=before, limit=_FRESH, since=query.since, until=query.until)
    fresh = [m for m in page if m.id > upto]
    copies = await tx.deliveries.of([m.id for m in fresh]) if query.to is not None else {}
    hits = [m for m in fresh if carries(query, m.facts, [d.recipient for d in copies.get(m.id, ())])]
    most = max(query.limit, 50)
    if len(hits) > most:
        return _Batch(hits[:most], most, hits[most - 1].id)
    # A recipient's row costs as much as a message; ten facts as much as one row that is shown.
    looked = len(hits) + len(fresh) // 10
    more = len(fresh) == _FRESH
    return _Batch(hits, looked, fresh[-1].id if more else _after(upto))


async def _indexed(tx: FindTx, query: Query, tokens: Sequence[bytes], before: bytes) -> _Batch:
    """The next messages that carry every token."""
    size = max(query.limit, 50)
    return await _those(tx, query, await tx.messages.found(tokens, before=before, limit=size), size)


async def _standing(tx: FindTx, query: Query, before: bytes | None) -> _Batch | None:
    """The next messages that may have the status; None where no index knows them."""
    size = max(query.limit, 50)
    ids = await _ids(tx, query, before or b"\xff" * 16, size)
    return None if ids is None else await _those(tx, query, ids, size)


async def _are_few(tx: FindTx, query: Query) -> bool:
    ids = await _ids(tx, query, b"\xff" * 16, _FEW)
    return ids is not None and len(ids) < _FEW


async def _ids(tx: FindTx, query: Query, before: bytes, limit: int) -> list[bytes] | None:
    """Of messages with a copy in one of the status's states, newest first."""
    ids: set[bytes] = set()
    for state in _STATES[query.status or ""]:
        some = await tx.deliveries.standing(state, before=before, limit=limit)
        if some is None:
            return None
        ids.update(some)
    return sorted(ids, reverse=True)[:limit]


async def _those(tx: FindTx, query: Query, ids: Sequence[bytes], size: int) -> _Batch:
    """Messages of a list that are there and in the span; the list goes on if it is as long as was asked for."""
    there = await tx.messages.several(ids)
    out: list[Message] = []
    for id in ids:
        message = there.get(id)
        if message is None or (query.until is not None and message.created >= query.until):
            continue
        if query.since is not None and message.created < query.since:
            return _Batch(out, len(ids), None)
        out.append(message)
    return _Batch(out, len(ids), ids[-1] if len(ids) == size else None)


class Unindexed(NamedTuple):
    """Messages the search does not know yet: how many, their (token, message) pairs, and the last one's id."""

    messages: int
    rows: list[tuple[bytes, bytes]]
    last: bytes


async def unindexed(tx: FindTx, *, key: bytes, below: bytes, limit: int) -> Unindexed | None:
    """The tokens of messages older than `below` that are not in the index yet; None when there are none.

    Upkeep's work, in two parts: reading and counting the tokens keeps nobody from writing. `below` stays a little
    behind the present, since two workers may commit ids out of order.
    """
    batch = await tx.messages.after(await tx.messages.indexed_upto(), below, limit)
    if not batch:
        return None
    deliveries = await tx.deliveries.of([m.id for m in batch])
    rows = [(t, m.id) for m in batch for t in tokens_of(key, m.facts, (d.recipient for d in deliveries[m.id]))]
    return Unindexed(len(batch), rows, batch[-1].id)


async def write_index(tx: FindTx, found: Unindexed) -> None:
    """Write them. Twice does no harm."""
    await tx.messages.index(found.rows, found.last)


async def index(tx: FindTx, *, key: bytes, below: bytes, limit: int) -> int:
    """Both parts in one transaction; how many were done."""
    found = await unindexed(tx, key=key, below=below, limit=limit)
    if found is None:
        return 0
    await write_index(tx, found)
    return found.messages
