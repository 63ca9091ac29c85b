"""What recording needs from a store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from mailward.core.messages.ended import PrivateTx
from mailward.core.messages.ports import DeliveriesRepo, MessagesRepo
from mailward.core.suppression.model import Found
from mailward.core.webhooks.ports import WebhookTx


class SuppressionLookup(Protocol):
    """The part of the suppression list that accepting asks."""

    async def among(self, tokens: Sequence[bytes]) -> Found:
        """The entries of those tokens that are on the list."""


class Concerns(Protocol):
    """Whom the moves of epochs concerned."""

    async def concerned(self) -> tuple[int, int]:
        """(auth, domains): the epochs at which something last changed that concerns this workspace, or might."""


class SubmissionTx(WebhookTx, PrivateTx, Protocol):
    """A transaction of one workspace. `epochs` are (auth, domains) as committed when it began."""

    @property
    def messages(self) -> MessagesRepo: ...

    @property
    def deliveries(self) -> DeliveriesRepo: ...

    @property
    def suppressions(self) -> SuppressionLookup: ...

    @property
    def epochs(self) -> tuple[int, int]: ...

    @property
    def counters(self) -> Concerns: ...
