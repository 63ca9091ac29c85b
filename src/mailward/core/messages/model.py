"""The nouns: a message's facts, its deliveries and their states, the attempts."""

from __future__ import annotations

from enum import IntEnum

import msgspec

HOUR_US = 3_600_000_000


class DeliveryState(IntEnum):
    """Where one recipient's copy stands. The two open states come first; the queue's index relies on it."""

    QUEUED = 0
    LEASED = 1
    HELD = 2
    DELIVERED = 3
    BOUNCED = 4
    SUPPRESSED = 5
    CANCELLED = 6
    EXPIRED = 7
    DISCARDED = 8  # test mode: everything ran but the last hop


S = DeliveryState
TRANSITIONS: dict[DeliveryState, frozenset[DeliveryState]] = {
    S.QUEUED: frozenset({S.LEASED, S.CANCELLED, S.EXPIRED, S.HELD}),
    S.LEASED: frozenset({S.QUEUED, S.DELIVERED, S.BOUNCED, S.EXPIRED, S.SUPPRESSED, S.DISCARDED, S.HELD}),
    S.HELD: frozenset({S.QUEUED, S.CANCELLED, S.EXPIRED}),
    S.DELIVERED: frozenset({S.BOUNCED}),  # a DSN that comes later
    S.BOUNCED: frozenset(),
    S.SUPPRESSED: frozenset(),
    S.CANCELLED: frozenset(),
    S.EXPIRED: frozenset(),
    S.DISCARDED: frozenset(),
}
_NOT_SENT = frozenset({S.DELIVERED, S.SUPPRESSED, S.CANCELLED, S.DISCARDED})
OPEN = frozenset({S.QUEUED, S.LEASED, S.HELD})
LETTERS = "letters"
"""The id of the actor who sends the platform's own letters to people: by it a message is known as one."""


class Tracked(msgspec.Struct, array_like=True, frozen=True):
    """What of a message is tracked ("opens", "clicks", "both"), and where its links begin. Nothing is tracked where
    `base` is empty; `why` then says what is missing.
    """

    mode: str
    base: str
    why: str = ""


class MessageFacts(msgspec.Struct, array_like=True, frozen=True):
    """What is kept of a message beside its body. Encoded as one msgpack array in its row.

    `source` is "api", "smtp" or "network"; `actor` the id of the credential; `domain`
    the verified domain that signs; `due` microseconds UTC when it was scheduled, else 0;
    `rewritten` what was changed because lines were too long for SMTP; `redacted` the fields (core/redaction) that
    are not stored any more, or never were; `tokens` then the keyed hash of each copy's address, for a bounce that
    comes later; `tracking` what is tracked, None for nothing, which is the rule; `dated`, where it was moved to another
    time before it was tried: (the one its Date was written for, the one it is to say), microseconds UTC.
    """

    source: str
    actor: str
    domain: str
    mail_from: str
    header_from: str
    to: str
    subject: str
    message_id: str
    size: int
    stream: str = "transactional"
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = {}
    tls: str = ""
    smtputf8: bool = False
    eight_bit: bool = False
    requiretls: bool = False
    test_mode: bool = False
    ret: str = ""
    envid: str = ""
    due: int = 0
    recipients: int = 1
    rewritten: tuple[str, ...] = ()
    redacted: tuple[str, ...] = ()
    tokens: tuple[bytes, ...] = ()
    tracking: Tracked | None = None
    dated: tuple[int, int] | None = None


NOT_TRIED = "not tried"


class AttemptFacts(msgspec.Struct, array_like=True, frozen=True):
    """One try, explained: who was asked and why, over which TLS, what was said, what it means, what follows.

    `outcome` is "delivered", "deferred", "bounced" or "discarded"; NOT_TRIED is no attempt, and not kept. `dialogue`
    a list of (offset in ms, direction, line), content replaced by its size; `next_due` microseconds UTC or 0;
    `rewritten` what of the content was changed so that it could travel, and why.
    """

    outcome: str
    reason: str
    code: int
    enhanced: str
    text: str
    host: str
    ip: str
    why: str
    policy: str
    tls: dict[str, str]
    dialogue: list[tuple[int, str, str]]
    elapsed_ms: int
    signed: tuple[str, ...]
    next_due: int = 0
    rewritten: tuple[str, ...] = ()


class Delivery(msgspec.Struct, frozen=True):
    """One recipient's copy, as read back."""

    message: bytes
    n: int
    recipient: str
    state: DeliveryState
    due: int
    attempts: int
    updated: int
    reason: str | None


class Pause(msgspec.Struct, frozen=True):
    """New mail of a stream ("": of every stream) is held. `at` is microseconds UTC."""

    stream: str
    at: int
    reason: str = ""


class Attempt(msgspec.Struct, frozen=True):
    """One recorded try."""

    n: int
    attempt: int
    at: int
    facts: AttemptFacts


class Message(msgspec.Struct, frozen=True):
    """A message as read back. `body` is (segment, offset, length) or None when its content is no longer kept.

    `content_gone` is when it was let go, in microseconds UTC.
    """

    id: bytes
    created: int
    body: tuple[int, int, int] | None
    facts: MessageFacts
    content_gone: int | None = None


FACTS_ENCODER = msgspec.msgpack.Encoder()
FACTS_DECODER = msgspec.msgpack.Decoder(MessageFacts)
ATTEMPT_DECODER = msgspec.msgpack.Decoder(AttemptFacts)


def overall(states: list[DeliveryState]) -> str:
    """One word for a message from the states of its deliveries: what its owner should look at first.

    "partly" is a message that some of its recipients got, while nothing was sent to the others.
    """
    if S.DELIVERED in states and set(states) <= _NOT_SENT:
        return "partly" if set(states) != {S.DELIVERED} else "delivered"
    for state in (S.BOUNCED, S.EXPIRED, S.HELD, S.LEASED, S.QUEUED, S.SUPPRESSED, S.CANCELLED, S.DISCARDED):
        if state in states:
            return "sending" if state is S.LEASED else state.name.lower()
    return "delivered"
