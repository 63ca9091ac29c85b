"""The nouns of delivery."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from mailward.core.messages.model import AttemptFacts, DeliveryState, MessageFacts


class Copy(NamedTuple):
    """One recipient's copy of a leased message; `attempts` made before."""

    n: int
    recipient: str
    attempts: int
    dsn: str | None


@dataclass(slots=True)
class Work:
    """A leased message: whoever holds it sends it before `until` (microseconds UTC) or gives it back.

    `content` is in memory when the accepting worker sends it itself, else None and read
    from `body`.
    """

    workspace: bytes
    id: bytes
    created: int
    facts: MessageFacts
    copies: list[Copy]
    until: int
    body: tuple[int, int, int] | None = None
    content: bytes | None = field(default=None, repr=False)


class Settled(NamedTuple):
    """How one copy's attempt ended: its new state, when it is due again (0: never), and the record."""

    message: bytes
    n: int
    recipient: str
    attempt: int
    state: DeliveryState
    due: int
    at: int
    lessee: int
    reason: str | None
    facts: AttemptFacts
    hard: bool
    message_facts: MessageFacts
