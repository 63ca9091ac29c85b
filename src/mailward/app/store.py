"""The storage port: what the platform asks of the store it runs on.

Two adapters satisfy it, `adapters/storage/sqlite` (one machine) and
`adapters/storage/postgres` (any number of nodes), and `tests/suites/storage` holds each
to the same behaviours. Nothing above this file knows which one it has; only
`app/installation.py` chooses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from mailward.adapters.storage.committing.frames import SharedVerb
from mailward.adapters.storage.records import BodyRef
from mailward.base.errors import MailwardError
from mailward.core.audit.ports import AuditRepo
from mailward.core.availability.ports import AvailabilityRepo
from mailward.core.backup.ports import BackupsRepo
from mailward.core.certificates.ports import CertificatesRepo
from mailward.core.delivery.ports import LeaseRepo
from mailward.core.disclosure.ports import ReportsRepo
from mailward.core.domains.ports import Counters, DomainsRepo, TransfersRepo
from mailward.core.evidence.ports import EvidenceRepo, ResultsRepo
from mailward.core.guard.ports import GuardRepo
from mailward.core.identity.entry import EntryRepo
from mailward.core.identity.ports import CredentialsRepo, FactorsRepo, PeopleRepo
from mailward.core.identity.roles import RolesRepo
from mailward.core.inbound.ports import InboundQueue, InboundRepo
from mailward.core.messages.erase import Erasures
from mailward.core.messages.expire import DroppingDays, ExpiringMessages, RetentionRepo
from mailward.core.messages.find import IndexedMessages
from mailward.core.messages.ports import DeliveriesRepo
from mailward.core.nodes.ports import Nodes
from mailward.core.operators.ports import OperatorsRepo, ReviewsRepo
from mailward.core.redaction.ports import (
    ListedAddresses,
    RedactedContent,
    RedactedDeliveries,
    RedactedInbound,
    RedactedMessages,
    RedactionRepo,
)
from mailward.core.registers.ports import RegistersRepo
from mailward.core.requests.ports import RequestsRepo
from mailward.core.submission.ports import Concerns
from mailward.core.suppression.ports import SuppressionsRepo
from mailward.core.templates.ports import TemplatesRepo
from mailward.core.tracking.ports import TrackingRepo
from mailward.core.webhooks.ports import WebhookQueue, WebhooksRepo
from mailward.core.workspaces.model import DataKey
from mailward.core.workspaces.ports import (
    CeilingsRepo,
    DataKeysRepo,
    NoticesRepo,
    RevocationsRepo,
    WorkspacesRepo,
)
from mailward.core.workspaces.retention import ContentProgress, SpendingKeys

T = TypeVar("T")

EPOCHS = "epochs"
WORK = "work"
"""What a watcher is told of: epochs moved (credentials, domains), or something is due to be sent."""


class CountersRepo(Counters, Concerns, Protocol):
    """Epochs, and all of them at once."""

    async def bump(self, name: str, *, own: bool = False) -> int:
        """One more. Any scope. `own`: it concerns the workspace of this transaction alone."""

    async def all(self) -> dict[str, int]:
        """Every epoch and generation. System scope."""


class AllMessages(IndexedMessages, ExpiringMessages, RedactedMessages, Protocol):
    """Messages as every verb sees them."""


class AllDeliveries(DeliveriesRepo, LeaseRepo, RedactedDeliveries, Protocol):
    """Deliveries as every verb sees them."""


class AllRetention(RetentionRepo, DroppingDays, Erasures, ContentProgress, RedactedContent, Protocol):
    """What retention keeps note of, as every verb sees it."""

    async def owed(self, limit: int) -> list[tuple[bytes, bytes, tuple[int, int, int]]]:
        """(workspace, message, body) of erased messages whose octets are to be overwritten. System scope."""

    async def paid(self, message: bytes) -> None:
        """They are overwritten."""


class AllDataKeys(DataKeysRepo, SpendingKeys, Protocol):
    """Wrapped data keys, as every verb sees them."""

    async def alive(self, places: Sequence[tuple[bytes, int, int]]) -> set[tuple[bytes, int, int]]:
        """Those (workspace, day, version) whose key is not destroyed: it exists, or this store never knew of it, as one
        restored from an older copy beside newer segments. System scope."""


class AllWebhooks(WebhooksRepo, WebhookQueue, Protocol):
    """Webhooks as every verb sees them."""


class AllSuppressions(SuppressionsRepo, ListedAddresses, Protocol):
    """The suppression list as every verb sees it."""


class AllInbound(InboundRepo, InboundQueue, RedactedInbound, Protocol):
    """Received mail as every verb sees it."""


class Tx(Protocol):
    """One transaction, bound to a workspace or to the system scope, with every repository.

    It satisfies the narrower transactions that each concept of `core` asks for.
    """

    @property
    def workspace(self) -> bytes | None: ...

    @property
    def epochs(self) -> tuple[int, int]: ...

    @property
    def counters(self) -> CountersRepo: ...

    @property
    def messages(self) -> AllMessages: ...

    @property
    def deliveries(self) -> AllDeliveries: ...

    @property
    def audit(self) -> AuditRepo: ...

    @property
    def domains(self) -> DomainsRepo: ...

    @property
    def suppressions(self) -> AllSuppressions: ...

    @property
    def webhooks(self) -> AllWebhooks: ...

    @property
    def inbound(self) -> AllInbound: ...

    @property
    def workspaces(self) -> WorkspacesRepo: ...

    @property
    def data_keys(self) -> AllDataKeys: ...

    @property
    def revocations(self) -> RevocationsRepo: ...

    @property
    def credentials(self) -> CredentialsRepo: ...

    @property
    def people(self) -> PeopleRepo: ...

    @property
    def factors(self) -> FactorsRepo: ...

    @property
    def guard(self) -> GuardRepo: ...

    @property
    def entry(self) -> EntryRepo: ...

    @property
    def roles(self) -> RolesRepo: ...

    @property
    def retention(self) -> AllRetention: ...

    @property
    def operators(self) -> OperatorsRepo: ...

    @property
    def reviews(self) -> ReviewsRepo: ...

    @property
    def ceilings(self) -> CeilingsRepo: ...

    @property
    def notices(self) -> NoticesRepo: ...

    @property
    def transfers(self) -> TransfersRepo: ...

    @property
    def evidence(self) -> EvidenceRepo: ...

    @property
    def results(self) -> ResultsRepo: ...

    @property
    def availability(self) -> AvailabilityRepo: ...

    @property
    def backups(self) -> BackupsRepo: ...

    @property
    def certificates(self) -> CertificatesRepo: ...

    @property
    def reports(self) -> ReportsRepo: ...

    @property
    def registers(self) -> RegistersRepo: ...

    @property
    def requests(self) -> RequestsRepo: ...

    @property
    def templates(self) -> TemplatesRepo: ...

    @property
    def tracking(self) -> TrackingRepo: ...

    @property
    def redaction(self) -> RedactionRepo: ...


Chore = tuple[str, float, Callable[[], Awaitable[int]]]
"""(name, seconds, what to run): housekeeping that one worker of the installation does every so many seconds."""


class Store(Protocol):
    """Transactions and bodies. Every door raises Unavailable when the store is away or stopping.

    A door returns a future of the running loop: it resolves when the transaction is durable.
    What resolved with Unavailable has left nothing behind, not even half of it.
    """

    async def open(self) -> None:
        """Start; the doors work from here on. Unavailable when the store cannot be used as it is."""

    async def close(self) -> None:
        """Finish what is queued, then stop."""

    def write(self, workspace: str, verb: Callable[[Tx], Awaitable[T]]) -> asyncio.Future[T]:
        """Run a verb in a transaction of one workspace."""
        ...

    def system_write(self, verb: Callable[[Tx], Awaitable[T]]) -> asyncio.Future[T]:
        """Run a verb outside of any workspace. For `core/workspaces/system` and its importers only."""
        ...

    def write_item(
        self,
        verb: Callable[[Any, list[Any]], Awaitable[Sequence[Any]]],
        workspace: bytes | None,
        item: Any,
        body: tuple[bytes, DataKey, bytes] | None = None,
    ) -> asyncio.Future[Any]:
        """Queue one item for a list verb; items that wait together run as one call.

        `body` is (message id, data key, content): it is made durable first and the verb
        receives the item as `(item, BodyRef)`. The verb returns a result for each item; a
        result that is an exception is raised to that item's caller alone.
        """
        ...

    async def join_committer(
        self,
        path: Path,
        verbs: Sequence[SharedVerb],
        *,
        speaking: Callable[[], bool] = lambda: False,
        errors: Sequence[type[MailwardError]] = (),
    ) -> None:
        """From now on hand the items of these verbs to the committing process behind that socket, while it is there.

        `errors` are the classes, besides those of `base.errors`, that it may answer with. `speaking` says whether
        somebody may bring more in a moment: while many do, items are held for some milliseconds, to go together.
        """

    def hushed(self) -> None:
        """Nobody speaks any more: what was held goes now."""

    def read(self, workspace: str, verb: Callable[[Tx], Awaitable[T]]) -> asyncio.Future[T]:
        """Run a verb that only reads, on a snapshot of committed state."""
        ...

    def system_read(self, verb: Callable[[Tx], Awaitable[T]]) -> asyncio.Future[T]:
        """Like `read`, outside of any workspace."""
        ...

    def read_body(self, ref: BodyRef) -> asyncio.Future[bytes]:
        """The sealed record that a row names; NotFound when it is no longer kept."""
        ...

    def overwrite_body(self, workspace: bytes, message: bytes, ref: BodyRef) -> Awaitable[None]:
        """Make the sealed record of an erased message unreadable where it lies. Doing it twice does no harm."""
        ...

    def watch(self, notice: Callable[[str], None]) -> None:
        """Have `notice(EPOCHS | WORK)` called on the loop when another process changed that, and `notice(EPOCHS)`
        when this one did. A hint: polling stays."""

    def tells(self, others: Callable[[str], None]) -> None:
        """Have `others(topic)` called on the loop to tell the other processes of such a change; a store that reaches
        them by itself never calls it."""

    def nodes(self) -> Nodes | None:
        """What the machines that share this store tell each other; None for the store of one machine."""
        ...

    def chores(self) -> Sequence[Chore]:
        """Housekeeping of this store."""
        ...
