"""The note of a move into a store, as whoever opens the store reads it."""

from __future__ import annotations

import msgspec

from mailward.base.errors import Unavailable


class Begun(msgspec.Struct, kw_only=True):
    """The note of a whole move."""

    source: bytes
    """Fingerprint of the source when the move began."""
    began: int
    """Microseconds UTC."""
    finished: int | None = None


def require_finished(note: bytes | None) -> None:
    """Unavailable when this is the note of a move that was not finished; None is the note of a store nobody moved."""
    if note is not None and msgspec.msgpack.decode(note, type=Begun).finished is None:
        raise Unavailable(
            "storage_moving",
            "Only a part of the mail has arrived in this store: run `mailward migrate-store` again, and it goes on.",
        )
