"""One transaction on PostgreSQL, as the repositories see it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from mailward.adapters.storage.postgres.scope import SealedSql
from mailward.adapters.storage.postgres.sql import Row

if TYPE_CHECKING:
    from mailward.adapters.storage.alike.availability import Availability
    from mailward.adapters.storage.alike.backups import Backups
    from mailward.adapters.storage.alike.certificates import Certificates
    from mailward.adapters.storage.alike.disclosure import Reports
    from mailward.adapters.storage.alike.limits import KeptCeilings, OwnerNotices
    from mailward.adapters.storage.alike.redaction import RedactionRows
    from mailward.adapters.storage.alike.registers import Registers
    from mailward.adapters.storage.alike.requests import Requests
    from mailward.adapters.storage.alike.results import Results
    from mailward.adapters.storage.alike.templates import Templates
    from mailward.adapters.storage.alike.tracking import Tracking
    from mailward.adapters.storage.alike.transfers import Transfers
    from mailward.adapters.storage.postgres.audit import PgAudit
    from mailward.adapters.storage.postgres.deliveries import PgDeliveries
    from mailward.adapters.storage.postgres.domains import PgDomains
    from mailward.adapters.storage.postgres.entry import PgEntry
    from mailward.adapters.storage.postgres.evidence import PgEvidence
    from mailward.adapters.storage.postgres.factors import PgFactors
    from mailward.adapters.storage.postgres.guard import PgGuard
    from mailward.adapters.storage.postgres.identity import PgCredentials, PgPeople
    from mailward.adapters.storage.postgres.inbound import PgInbound
    from mailward.adapters.storage.postgres.messages import PgMessages
    from mailward.adapters.storage.postgres.operators import PgOperators, PgReviews
    from mailward.adapters.storage.postgres.retention import PgRetention
    from mailward.adapters.storage.postgres.roles import PgRoles
    from mailward.adapters.storage.postgres.suppression import PgSuppressions
    from mailward.adapters.storage.postgres.webhooks import PgWebhooks
    from mailward.adapters.storage.postgres.workspaces import PgDataKeys, PgRevocations, PgWorkspaces

__all__ = ["PgTx", "Row"]


class PgTx(SealedSql):
    """A transaction with every repository. One object a connection, reused for each transaction."""

    @cached_property
    def messages(self) -> PgMessages:
        """Messages, their search tokens, idempotency and usage."""
        from mailward.adapters.storage.postgres.messages import PgMessages

        return PgMessages(self)

    @cached_property
    def deliveries(self) -> PgDeliveries:
        """Deliveries and their attempts."""
        from mailward.adapters.storage.postgres.deliveries import PgDeliveries

        return PgDeliveries(self)

    @cached_property
    def audit(self) -> PgAudit:
        """The append-only log of acts."""
        from mailward.adapters.storage.postgres.audit import PgAudit

        return PgAudit(self)

    @cached_property
    def domains(self) -> PgDomains:
        """Sending domains and their keys."""
        from mailward.adapters.storage.postgres.domains import PgDomains

        return PgDomains(self)

    @cached_property
    def suppressions(self) -> PgSuppressions:
        """Addresses nothing is sent to."""
        from mailward.adapters.storage.postgres.suppression import PgSuppressions

        return PgSuppressions(self)

    @cached_property
    def webhooks(self) -> PgWebhooks:
        """Webhook endpoints, jobs and attempts."""
        from mailward.adapters.storage.postgres.webhooks import PgWebhooks

        return PgWebhooks(self)

    @cached_property
    def workspaces(self) -> PgWorkspaces:
        """Workspaces and their settings."""
        from mailward.adapters.storage.postgres.workspaces import PgWorkspaces

        return PgWorkspaces(self)

    @cached_property
    def data_keys(self) -> PgDataKeys:
        """Wrapped data keys."""
        from mailward.adapters.storage.postgres.workspaces import PgDataKeys

        return PgDataKeys(self)

    @cached_property
    def revocations(self) -> PgRevocations:
        """The epoch of credentials and keys."""
        from mailward.adapters.storage.postgres.workspaces import PgRevocations

        return PgRevocations(self)

    @cached_property
    def credentials(self) -> PgCredentials:
        """API keys and SMTP credentials."""
        from mailward.adapters.storage.postgres.identity import PgCredentials

        return PgCredentials(self)

    @cached_property
    def people(self) -> PgPeople:
        """Users, members, sessions, setup links."""
        from mailward.adapters.storage.postgres.identity import PgPeople

        return PgPeople(self)

    @cached_property
    def guard(self) -> PgGuard:
        """What stands before a sign-in."""
        from mailward.adapters.storage.postgres.guard import PgGuard

        return PgGuard(self)

    @cached_property
    def roles(self) -> PgRoles:
        """Roles that workspaces make themselves."""
        from mailward.adapters.storage.postgres.roles import PgRoles

        return PgRoles(self)

    @cached_property
    def entry(self) -> PgEntry:
        """Invitations, identities at other providers, people's networks."""
        from mailward.adapters.storage.postgres.entry import PgEntry

        return PgEntry(self)

    @cached_property
    def inbound(self) -> PgInbound:
        """Routes, received messages and their copies."""
        from mailward.adapters.storage.postgres.inbound import PgInbound

        return PgInbound(self)

    @cached_property
    def retention(self) -> PgRetention:
        """How far content was let go, and what is still to be overwritten."""
        from mailward.adapters.storage.postgres.retention import PgRetention

        return PgRetention(self)

    @cached_property
    def factors(self) -> PgFactors:
        """Second factors, tickets, trusted devices."""
        from mailward.adapters.storage.postgres.factors import PgFactors

        return PgFactors(self)

    @cached_property
    def operators(self) -> PgOperators:
        """Operators and their grants."""
        from mailward.adapters.storage.postgres.operators import PgOperators

        return PgOperators(self)

    @cached_property
    def reviews(self) -> PgReviews:
        """Access reviews."""
        from mailward.adapters.storage.postgres.operators import PgReviews

        return PgReviews(self)

    @cached_property
    def evidence(self) -> PgEvidence:
        """What the checks ask."""
        from mailward.adapters.storage.postgres.evidence import PgEvidence

        return PgEvidence(self)

    @cached_property
    def ceilings(self) -> KeptCeilings:
        """What the operator set for single workspaces."""
        from mailward.adapters.storage.alike.limits import KeptCeilings
        from mailward.adapters.storage.postgres.alike import PgStatements

        return KeptCeilings(PgStatements(self))

    @cached_property
    def notices(self) -> OwnerNotices:
        """What owners are to be told by mail."""
        from mailward.adapters.storage.alike.limits import OwnerNotices
        from mailward.adapters.storage.postgres.alike import PgStatements

        return OwnerNotices(PgStatements(self))

    @cached_property
    def transfers(self) -> Transfers:
        """Domains that one workspace asks of another."""
        from mailward.adapters.storage.alike.transfers import Transfers
        from mailward.adapters.storage.postgres.alike import PgStatements

        return Transfers(PgStatements(self))

    @cached_property
    def results(self) -> Results:
        """What checks found."""
        from mailward.adapters.storage.alike.results import Results
        from mailward.adapters.storage.postgres.alike import PgStatements

        return Results(PgStatements(self))

    @cached_property
    def availability(self) -> Availability:
        """Minutes, days and outages of the doors."""
        from mailward.adapters.storage.alike.availability import Availability
        from mailward.adapters.storage.postgres.alike import PgStatements

        return Availability(PgStatements(self))

    @cached_property
    def backups(self) -> Backups:
        """What was copied elsewhere, and whether it could be restored."""
        from mailward.adapters.storage.alike.backups import Backups
        from mailward.adapters.storage.postgres.alike import PgStatements

        return Backups(PgStatements(self))

    @cached_property
    def certificates(self) -> Certificates:
        """What an authority issued to the installation."""
        from mailward.adapters.storage.alike.certificates import Certificates
        from mailward.adapters.storage.postgres.alike import PgStatements

        return Certificates(PgStatements(self))

    @cached_property
    def reports(self) -> Reports:
        """Reports of weaknesses."""
        from mailward.adapters.storage.alike.disclosure import Reports
        from mailward.adapters.storage.postgres.alike import PgStatements

        return Reports(PgStatements(self))

    @cached_property
    def registers(self) -> Registers:
        """What the operator states in public."""
        from mailward.adapters.storage.alike.registers import Registers
        from mailward.adapters.storage.postgres.alike import PgStatements

        return Registers(PgStatements(self))

    @cached_property
    def redaction(self) -> RedactionRows:
        """Private parts of messages under way, and how far redaction came."""
        from mailward.adapters.storage.alike.redaction import RedactionRows
        from mailward.adapters.storage.postgres.alike import PgStatements

        return RedactionRows(PgStatements(self), self)

    @cached_property
    def templates(self) -> Templates:
        """Mail templates and their versions."""
        from mailward.adapters.storage.alike.templates import Templates
        from mailward.adapters.storage.postgres.alike import PgStatements

        return Templates(PgStatements(self), self)

    @cached_property
    def tracking(self) -> Tracking:
        """What is tracked, and who does not want to be."""
        from mailward.adapters.storage.alike.tracking import Tracking
        from mailward.adapters.storage.postgres.alike import PgStatements

        return Tracking(PgStatements(self), self)

    @cached_property
    def requests(self) -> Requests:
        """The request log."""
        from mailward.adapters.storage.alike.requests import Requests
        from mailward.adapters.storage.postgres.alike import PgStatements

        return Requests(PgStatements(self))
