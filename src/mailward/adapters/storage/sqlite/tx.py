"""One transaction on the embedded store, as the repositories see it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from mailward.adapters.storage.sqlite.sql import Row, Sql

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
    from mailward.adapters.storage.sqlite.audit import SqliteAudit
    from mailward.adapters.storage.sqlite.counters import SqliteCounters
    from mailward.adapters.storage.sqlite.deliveries import SqliteDeliveries
    from mailward.adapters.storage.sqlite.domains import SqliteDomains
    from mailward.adapters.storage.sqlite.entry import SqliteEntry
    from mailward.adapters.storage.sqlite.evidence import SqliteEvidence
    from mailward.adapters.storage.sqlite.factors import SqliteFactors
    from mailward.adapters.storage.sqlite.guard import SqliteGuard
    from mailward.adapters.storage.sqlite.identity import SqliteCredentials, SqlitePeople
    from mailward.adapters.storage.sqlite.inbound import SqliteInbound
    from mailward.adapters.storage.sqlite.messages import SqliteMessages
    from mailward.adapters.storage.sqlite.operators import SqliteOperators, SqliteReviews
    from mailward.adapters.storage.sqlite.retention import SqliteRetention
    from mailward.adapters.storage.sqlite.roles import SqliteRoles
    from mailward.adapters.storage.sqlite.suppression import SqliteSuppressions
    from mailward.adapters.storage.sqlite.webhooks import SqliteWebhooks
    from mailward.adapters.storage.sqlite.workspaces import SqliteDataKeys, SqliteRevocations, SqliteWorkspaces

__all__ = ["Row", "SqliteTx"]


class SqliteTx(Sql):
    """A transaction with every repository. One object a connection, reused for each transaction."""

    @cached_property
    def counters(self) -> SqliteCounters:
        """Named numbers of the installation (epochs)."""
        from mailward.adapters.storage.sqlite.counters import SqliteCounters

        return SqliteCounters(self)

    @cached_property
    def messages(self) -> SqliteMessages:
        """Messages, their search tokens, idempotency and usage."""
        from mailward.adapters.storage.sqlite.messages import SqliteMessages

        return SqliteMessages(self)

    @cached_property
    def deliveries(self) -> SqliteDeliveries:
        """Deliveries and their attempts."""
        from mailward.adapters.storage.sqlite.deliveries import SqliteDeliveries

        return SqliteDeliveries(self)

    @cached_property
    def audit(self) -> SqliteAudit:
        """The append-only log of acts."""
        from mailward.adapters.storage.sqlite.audit import SqliteAudit

        return SqliteAudit(self)

    @cached_property
    def domains(self) -> SqliteDomains:
        """Sending domains and their keys."""
        from mailward.adapters.storage.sqlite.domains import SqliteDomains

        return SqliteDomains(self)

    @cached_property
    def suppressions(self) -> SqliteSuppressions:
        """Addresses nothing is sent to."""
        from mailward.adapters.storage.sqlite.suppression import SqliteSuppressions

        return SqliteSuppressions(self)

    @cached_property
    def webhooks(self) -> SqliteWebhooks:
        """Webhook endpoints, jobs and attempts."""
        from mailward.adapters.storage.sqlite.webhooks import SqliteWebhooks

        return SqliteWebhooks(self)

    @cached_property
    def inbound(self) -> SqliteInbound:
        """Routes, received messages and their copies."""
        from mailward.adapters.storage.sqlite.inbound import SqliteInbound

        return SqliteInbound(self)

    @cached_property
    def retention(self) -> SqliteRetention:
        """How far content was let go, and what is still to be overwritten."""
        from mailward.adapters.storage.sqlite.retention import SqliteRetention

        return SqliteRetention(self)

    @cached_property
    def workspaces(self) -> SqliteWorkspaces:
        """Workspaces and their settings."""
        from mailward.adapters.storage.sqlite.workspaces import SqliteWorkspaces

        return SqliteWorkspaces(self)

    @cached_property
    def data_keys(self) -> SqliteDataKeys:
        """Wrapped data keys."""
        from mailward.adapters.storage.sqlite.workspaces import SqliteDataKeys

        return SqliteDataKeys(self)

    @cached_property
    def revocations(self) -> SqliteRevocations:
        """The epoch of credentials and keys."""
        from mailward.adapters.storage.sqlite.workspaces import SqliteRevocations

        return SqliteRevocations(self)

    @cached_property
    def credentials(self) -> SqliteCredentials:
        """API keys and SMTP credentials."""
        from mailward.adapters.storage.sqlite.identity import SqliteCredentials

        return SqliteCredentials(self)

    @cached_property
    def people(self) -> SqlitePeople:
        """Users, members, sessions, setup links."""
        from mailward.adapters.storage.sqlite.identity import SqlitePeople

        return SqlitePeople(self)

    @cached_property
    def guard(self) -> SqliteGuard:
        """What stands before a sign-in."""
        from mailward.adapters.storage.sqlite.guard import SqliteGuard

        return SqliteGuard(self)

    @cached_property
    def roles(self) -> SqliteRoles:
        """Roles that workspaces make themselves."""
        from mailward.adapters.storage.sqlite.roles import SqliteRoles

        return SqliteRoles(self)

    @cached_property
    def entry(self) -> SqliteEntry:
        """Invitations, identities at other providers, people's networks."""
        from mailward.adapters.storage.sqlite.entry import SqliteEntry

        return SqliteEntry(self)

    @cached_property
    def factors(self) -> SqliteFactors:
        """Second factors, tickets, trusted devices."""
        from mailward.adapters.storage.sqlite.factors import SqliteFactors

        return SqliteFactors(self)

    @cached_property
    def operators(self) -> SqliteOperators:
        """Operators and their grants."""
        from mailward.adapters.storage.sqlite.operators import SqliteOperators

        return SqliteOperators(self)

    @cached_property
    def reviews(self) -> SqliteReviews:
        """Access reviews."""
        from mailward.adapters.storage.sqlite.operators import SqliteReviews

        return SqliteReviews(self)

    @cached_property
    def evidence(self) -> SqliteEvidence:
        """What the checks ask."""
        from mailward.adapters.storage.sqlite.evidence import SqliteEvidence

        return SqliteEvidence(self)

    @cached_property
    def ceilings(self) -> KeptCeilings:
        """What the operator set for single workspaces."""
        from mailward.adapters.storage.alike.limits import KeptCeilings
        from mailward.adapters.storage.sqlite.alike import SqliteStatements

        return KeptCeilings(SqliteStatements(self))

    @cached_property
    def notices(self) -> OwnerNotices:
        """What owners are to be told by mail."""
        from mailward.adapters.storage.alike.limits import OwnerNotices
        from mailward.adapters.storage.sqlite.alike import SqliteStatements

        return OwnerNotices(SqliteStatements(self))

    @cached_property
    def transfers(self) -> Transfers:
        """Domains that one workspace asks of another."""
        from mailward.adapters.storage.alike.transfers import Transfers
        from mailward.adapters.storage.sqlite.alike import SqliteStatements

        return Transfers(SqliteStatements(self))

    @cached_property
    def results(self) -> Results:
        """What checks found."""
        from mailward.adapters.storage.alike.results import Results
        from mailward.adapters.storage.sqlite.alike import SqliteStatements

        return Results(SqliteStatements(self))

    @cached_property
    def availability(self) -> Availability:
        """Minutes, days and outages of the doors."""
        from mailward.adapters.storage.alike.availability import Availability
        from mailward.adapters.storage.sqlite.alike import SqliteStatements

        return Availability(SqliteStatements(self))

    @cached_property
    def backups(self) -> Backups:
        """What was copied elsewhere, and whether it could be restored."""
        from mailward.adapters.storage.alike.backups import Backups
        from mailward.adapters.storage.sqlite.alike import SqliteStatements

        return Backups(SqliteStatements(self))

    @cached_property
    def certificates(self) -> Certificates:
        """What an authority issued to the installation."""
        from mailward.adapters.storage.alike.certificates import Certificates
        from mailward.adapters.storage.sqlite.alike import SqliteStatements

        return Certificates(SqliteStatements(self))

    @cached_property
    def reports(self) -> Reports:
        """Reports of weaknesses."""
        from mailward.adapters.storage.alike.disclosure import Reports
        from mailward.adapters.storage.sqlite.alike import SqliteStatements

        return Reports(SqliteStatements(self))

    @cached_property
    def registers(self) -> Registers:
        """What the operator states in public."""
        from mailward.adapters.storage.alike.registers import Registers
        from mailward.adapters.storage.sqlite.alike import SqliteStatements

        return Registers(SqliteStatements(self))

    @cached_property
    def redaction(self) -> RedactionRows:
        """Private parts of messages under way, and how far redaction came."""
        from mailward.adapters.storage.alike.redaction import RedactionRows
        from mailward.adapters.storage.sqlite.alike import SqliteStatements

        return RedactionRows(SqliteStatements(self), self)

    @cached_property
    def templates(self) -> Templates:
        """Mail templates and their versions."""
        from mailward.adapters.storage.alike.templates import Templates
        from mailward.adapters.storage.sqlite.alike import SqliteStatements

        return Templates(SqliteStatements(self), self)

    @cached_property
    def tracking(self) -> Tracking:
        """What is tracked, and who does not want to be."""
        from mailward.adapters.storage.alike.tracking import Tracking
        from mailward.adapters.storage.sqlite.alike import SqliteStatements

        return Tracking(SqliteStatements(self), self)

    @cached_property
    def requests(self) -> Requests:
        """The request log."""
        from mailward.adapters.storage.alike.requests import Requests
        from mailward.adapters.storage.sqlite.alike import SqliteStatements

        return Requests(SqliteStatements(self))
