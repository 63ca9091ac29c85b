"""expire(): retention. What is older than the workspace keeps is erased, with everything that hangs on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mailward.core.messages.model import OPEN, Delivery


class ExpiringMessages(Protocol):
    """What retention needs of the messages repository."""

    async def oldest(self, below: bytes, limit: int) -> list[bytes]: ...

    async def erase(self, ids: Sequence[bytes]) -> None: ...

    async def erase_old_answers(self, now: int) -> None: ...


class ExpiringDeliveries(Protocol):
    """What retention needs of the deliveries repository."""

    async def of(self, messages: Sequence[bytes]) -> dict[bytes, list[Delivery]]: ...


class ExpireTx(Protocol):
    """A transaction of one workspace."""

    @property
    def messages(self) -> ExpiringMessages: ...

    @property
    def deliveries(self) -> ExpiringDeliveries: ...


async def expire(tx: ExpireTx, *, now: int, keep_us: int, limit: int) -> int:
    """Erase up to `limit` messages accepted before now - keep; how many went. One with an open copy stays."""
    await tx.messages.erase_old_answers(now)
    below = (max(0, now - keep_us) // 1000).to_bytes(6, "big") + b"\x00" * 10
    ids = await tx.messages.oldest(below, limit)
    copies = await tx.deliveries.of(ids)
    done = [i for i in ids if not any(d.state in OPEN for d in copies[i])]
    await tx.messages.erase(done)
    return len(done)
