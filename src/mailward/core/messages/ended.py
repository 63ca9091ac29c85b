"""ended(): deleting a message's own key the moment no copy of it is under way any more (core/redaction)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol


class PrivateParts(Protocol):
    """Sealed private parts of messages under way."""

    async def keep(self, rows: Sequence[tuple[bytes, bytes]]) -> None:
        """(message, sealed private part) each."""

    async def destroy(self, messages: Iterable[bytes]) -> int:
        """Delete the private parts of these; how many there were."""


class LastCopies(Protocol):
    """Which copies are open, and whose body is let go."""

    async def open_among(self, messages: Sequence[bytes]) -> set[bytes]: ...

    async def let_go(self, messages: Sequence[bytes], now: int) -> None: ...


class PrivateTx(Protocol):
    """A transaction in which copies of sent messages end."""

    @property
    def redaction(self) -> PrivateParts: ...

    @property
    def retention(self) -> LastCopies: ...


async def ended(tx: PrivateTx, redacted: Mapping[bytes, Sequence[str]], *, now: int) -> int:
    """Of sent messages (with the fields they never stored): delete the keys of those without an open copy; how many.

    Called in the transaction in which copies end. A body that was sealed under such a key is let go with it; one
    that was stored as usual stays. `now` is microseconds UTC.
    """
    still_open = await tx.retention.open_among(list(redacted))
    over = [m for m in redacted if m not in still_open]
    bodies = [m for m in over if "body" in redacted[m]]
    if bodies:
        await tx.retention.let_go(bodies, now)
    return await tx.redaction.destroy(over)
