"""What leasing and settling need from a store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mailward.core.messages.ended import PrivateTx
from mailward.core.messages.ports import DeliveriesRepo, MessagesRepo
from mailward.core.suppression.ports import SuppressionTx
from mailward.core.webhooks.ports import WebhookTx

LeasedRow = tuple[bytes, bytes, int, str, int, str | None, int, int | None, int | None, int | None, bytes]
"""(workspace, message, n, recipient, attempts, dsn; and of the message: created, segment, offset, length, facts)."""


class LeaseRepo(Protocol):
    """The queue across workspaces; system scope."""

    async def anything_due(self, now: int, without: frozenset[bytes] = frozenset()) -> bool:
        """Whether an open delivery is due, or its lease ran out; of a workspace that is not in `without`."""

    async def lease_batch(
        self,
        lessee: int,
        *,
        now: int,
        until: int,
        limit: int,
        turn: int,
        without: frozenset[bytes] = frozenset(),
    ) -> list[LeasedRow]:
        """Hand up to `limit` due deliveries to a worker until a time, an even share to each workspace that has any.

        The workspaces in `without` have none. `turn` says with which workspace to begin. What another worker is just
        taking is passed over.
        """

    async def whose(self, message: bytes) -> bytes | None:
        """The workspace (raw id) of a message, or None when there is none with that id."""

    async def paused_streams(self) -> list[tuple[bytes, str]]:
        """(workspace, stream or "") of every pause there is."""

    async def take_slot(self, slot: int, now: int) -> tuple[int, int]: ...

    async def slots(self) -> list[int]: ...

    async def drop_slot(self, slot: int) -> None: ...

    async def renew(self, lessee: int, until: int) -> int:
        """Move the end of all leases of a worker; how many."""

    async def generations(self) -> frozenset[int]:
        """The lessees there are: the workers that live, or have not been taken for dead."""

    async def any_orphans(self) -> bool:
        """Whether there is a lease of a lessee that there is not: a look that keeps nobody from writing."""

    async def return_orphans(self, now: int) -> int:
        """Make the leases of lessees that there are not due; how many."""

    async def leased_before(self, lessee: int, until: int) -> list[tuple[bytes, bytes]]:
        """(workspace, message) of each lease of a worker that ends at a time or earlier."""

    async def hand_back(self, lessee: int, messages: Sequence[tuple[bytes, bytes]], now: int) -> int:
        """Make a worker's leases of these messages due; how many there were."""


class LeaseTx(Protocol):
    """A system transaction."""

    @property
    def deliveries(self) -> LeaseRepo: ...


class WhoseTx(Protocol):
    """A system transaction."""

    @property
    def deliveries(self) -> LeaseRepo: ...


class SettleTx(SuppressionTx, WebhookTx, PrivateTx, Protocol):
    """A transaction of one workspace; `workspace` is its raw id."""

    @property
    def workspace(self) -> bytes | None: ...

    @property
    def messages(self) -> MessagesRepo: ...

    @property
    def deliveries(self) -> DeliveriesRepo: ...
