"""What a signature leaves open: fields a reader sees that it does not bind (RFC 6376 sections 5.4 and 8.15)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

SHOWN = (
    b"from", b"sender", b"reply-to", b"to", b"cc", b"subject", b"date", b"message-id", b"mime-version",
    b"content-type", b"content-transfer-encoding", b"list-unsubscribe", b"list-unsubscribe-post",
)  # fmt: skip
"""Fields that decide what is shown or done; a message has one of each at most."""


def added(names: Sequence[bytes], fields: Sequence[tuple[bytes, bytes]]) -> tuple[str, ...]:
    """Fields that are signed, yet of which the message has more than the signature covers."""
    signed, present = Counter(names), Counter(name for name, _ in fields)
    return tuple(name.decode("ascii") for name in SHOWN if 0 < signed[name] < present[name])


def uncovered(names: Sequence[bytes], fields: Sequence[tuple[bytes, bytes]]) -> tuple[str, ...]:
    """Fields that are in the message and could be changed without breaking the signature."""
    signed, present = Counter(names), Counter(name for name, _ in fields)
    return tuple(name.decode("ascii") for name in SHOWN if present[name] > signed[name])
