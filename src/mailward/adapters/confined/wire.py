"""What parent and child say to each other: a length and msgpack, over a socket pair."""

from __future__ import annotations

import msgspec


class Ready(msgspec.Struct, array_like=True, frozen=True):
    """The child's first answer: limited and ready, or why not."""

    error: str = ""


def frame(payload: bytes) -> bytes:
    """Length and payload."""
    return len(payload).to_bytes(4, "big") + payload
