"""The nouns of acceptance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from mailward.base.errors import Unavailable
from mailward.core.messages.model import DeliveryState, MessageFacts


class Recipient(NamedTuple):
    """One copy to make. `token` is the keyed hash the suppression list knows; `dsn` is NOTIFY and ORCPT, or None."""

    address: str
    token: bytes
    dsn: str | None = None


class Idempotency(NamedTuple):
    """An idempotency key (hashed), the hash of the request body, and until when (microseconds UTC)."""

    key: bytes
    body: bytes
    expires: int


class Submission(msgspec.Struct, array_like=True):
    """A message that passed every check and waits to be recorded.

    `epochs` are the epochs of the caches it was judged by: if the store knows newer ones,
    the judgement may be stale and is made again. `lessee` is the worker that keeps the
    message in memory and will send it at once, or 0 for the queue. `private` is the sealed
    private part (core/redaction) of a message some of whose fields are not stored.
    """

    id: bytes
    created: int
    facts: MessageFacts
    recipients: list[Recipient]
    state: DeliveryState
    due: int
    lessee: int
    epochs: tuple[int, int]
    idempotency: Idempotency | None = None
    reason: str | None = None
    private: bytes = b""


class Receipt(NamedTuple):
    """What was recorded: the message id and each recipient's state. `replayed` when an earlier answer is repeated;
    `scheduled` then says whether it was for a time of its own."""

    id: bytes
    states: tuple[DeliveryState, ...]
    replayed: bool = False
    scheduled: bool = False


class Group(NamedTuple):
    """Messages of one request that are recorded together or not at all, each with the reference of its body.

    `claim` is the request's idempotency key. `others` are the request's places that bring no message, with what is to
    be repeated of them; the messages are those of the other places, in order.
    """

    members: list[tuple[Submission, Any]]
    claim: Idempotency | None
    others: Mapping[int, bytes]


class GroupReceipt(NamedTuple):
    """One answer for each place of a request, in order."""

    answers: list[Receipt | bytes]
    replayed: bool = False


class StaleJudgement(Unavailable):
    """Keys or domains changed after the message was judged; judge again."""

    def __init__(self) -> None:
        super().__init__("stale", "Please try again.", detail="epochs moved on")
