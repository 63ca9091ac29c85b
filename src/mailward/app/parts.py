"""The parts of a worker, as those who use some of them see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from mailward.adapters.net.resolver import Resolver
from mailward.adapters.scanners.examiner import Examiner
from mailward.app.allowance import Allowance
from mailward.app.arrivals import Seats
from mailward.app.bodies import Bodies
from mailward.app.budgets import Budgets
from mailward.app.ceilings import KnownCeilings
from mailward.app.certificates import Certificates
from mailward.app.doors import Doors
from mailward.app.guard.parts import GuardParts
from mailward.app.handing import Handing
from mailward.app.installation import Installation
from mailward.app.knowledge import Knowledge
from mailward.app.leasing import Leasing
from mailward.app.metrics import Metrics
from mailward.app.nodes import Heart
from mailward.app.platform.acceptance import Acceptance
from mailward.app.platform.templates import Templates
from mailward.app.settings import Settings
from mailward.app.tarpit import Tarpit
from mailward.core.identity.lookup import Doorkeeper
from mailward.edges.smtpd.room import Room
from mailward.edges.web.request_log import RequestLog
from mailward.edges.workers.inbound import InboundWorker
from mailward.edges.workers.sender import Sender
from mailward.edges.workers.webhooks import WebhookWorker

if TYPE_CHECKING:
    from mailward.adapters.storage.objects.files import AttachmentStore


class Parts(Protocol):
    """What the web side and upkeep use of a worker."""

    slot: int
    first: bool
    settings: Settings
    roles: frozenset[str]
    installation: Installation
    metrics: Metrics
    requests: RequestLog
    draining: bool
    resolver: Resolver
    keeper: Doorkeeper
    doors: Doors
    guarding: GuardParts
    bodies: Bodies
    certificates: Certificates
    examiner: Examiner
    acceptance: Acceptance
    templates: Templates
    knowledge: Knowledge
    allowance: Allowance
    budgets: Budgets
    seats: Seats
    tarpit: Tarpit
    ceilings: KnownCeilings
    webhooks: WebhookWorker
    handing: Handing
    inbound: InboundWorker
    files: AttachmentStore | None
    sender: Sender | None
    leasing: Leasing
    heart: Heart
    room: Room

    async def addresses(self, host: str) -> list[str]:
        """Every address of a name; empty when there is none."""

    def revoked(self) -> None:
        """A credential was revoked here: have every cache look at once."""

    def wake_senders(self) -> None:
        """Something became due in the store: whoever sends, look now."""

    def wake_webhooks(self) -> None:
        """An event was queued for a webhook: whoever posts, look now."""
