"""What the web edge needs from the rest of the platform, one protocol per area.

Each method runs core verbs in one store transaction for the given actor and answers
with the types of `schema`; every refusal is an error of `base/errors`. The verbs check
the actor's permission again: the edge's check is the first wall, not the only one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from mailward.base.errors import MailwardError
from mailward.edges.web.schema import access as access_types
from mailward.edges.web.schema import alerts as alert_types
from mailward.edges.web.schema import audit as audit_types
from mailward.edges.web.schema import domains as domain_types
from mailward.edges.web.schema import inbound as inbound_types
from mailward.edges.web.schema import keys as key_types
from mailward.edges.web.schema import members as member_types
from mailward.edges.web.schema import messages as message_types
from mailward.edges.web.schema import redaction as redaction_types
from mailward.edges.web.schema import roles as role_types
from mailward.edges.web.schema import suppressions as suppression_types
from mailward.edges.web.schema import templates as template_types
from mailward.edges.web.schema import tracking as tracking_types
from mailward.edges.web.schema import webhooks as webhook_types
from mailward.edges.web.schema import workspace as workspace_types
from mailward.edges.web.schema.common import PageQuery
from mailward.edges.web.schema.submission import Asked, Idempotency, Keyed, Outcome, Outgoing
from mailward.policy.access import Actor


class Authenticator(Protocol):
    """Turns a presented key into the actor it stands for."""

    async def authenticate(self, token: str, ip: str) -> Actor:
        """The actor, or Unauthenticated for unknown, revoked, expired, or bound to another network alike."""
        ...


class Messages(Protocol):
    """Sending, and reading what became of it."""

    async def submit(
        self, actor: Actor, items: Sequence[Outgoing | MailwardError], *, atomic: bool, keyed: Keyed | None = None
    ) -> list[Outcome]:
        """One outcome per item, in order: a Given, a DryRun, or the MailwardError that refused it (or did before).

        Returns after the commit. With `atomic`, one refusal means that nothing is accepted;
        the items that were not at fault then carry Conflict 'batch_refused'. With `keyed` the
        key stands for the batch as a whole, and what is accepted is accepted together. Unavailable
        and LimitReached are raised when nothing was accepted at all, else they are the outcome of an item.
        """
        ...

    async def repeat(
        self, actor: Actor, key: Idempotency, asked: Callable[[int], Asked], *, batch: bool
    ) -> list[Outcome | None] | None:
        """What was answered to this very request before; None when it is new, Conflict when the key was another's.

        None in the place of a dry run, of which nothing is kept.
        """
        ...

    async def find(self, actor: Actor, query: message_types.MessageQuery) -> message_types.MessagePage: ...

    async def get(self, actor: Actor, message: str) -> message_types.MessageDetail: ...

    async def events(self, actor: Actor, message: str) -> message_types.EventPage: ...

    async def explain(self, actor: Actor, message: str) -> message_types.Explanation: ...

    async def raw(self, actor: Actor, message: str) -> bytes:
        """The message as it was stored; the read is audited."""
        ...

    async def content(self, actor: Actor, message: str) -> message_types.Content:
        """Text, sanitised HTML and the list of attachments; the read is audited."""
        ...

    async def cancel(self, actor: Actor, message: str) -> message_types.MessageDetail: ...

    async def release(self, actor: Actor, message: str) -> message_types.MessageDetail: ...

    async def sending(self, actor: Actor) -> message_types.Sending: ...

    async def pause(self, actor: Actor, request: message_types.PauseSending) -> message_types.Sending: ...

    async def resume(self, actor: Actor, request: message_types.ResumeSending) -> message_types.Sending: ...

    async def release_held(self, actor: Actor, request: message_types.ReleaseHeld) -> message_types.Released:
        """At most a thousand messages, the oldest first."""
        ...

    async def reschedule(
        self, actor: Actor, message: str, request: message_types.Reschedule
    ) -> message_types.MessageDetail: ...

    async def resend(self, actor: Actor, message: str) -> message_types.Accepted: ...

    async def erase(self, actor: Actor, message: str) -> None:
        """The message goes with everything known of it, its content included; Conflict while it is under way."""
        ...


class Suppressions(Protocol):
    """Addresses this workspace no longer writes to."""

    async def find(
        self, actor: Actor, query: suppression_types.SuppressionQuery
    ) -> suppression_types.SuppressionPage: ...

    async def add(self, actor: Actor, request: suppression_types.AddSuppression) -> suppression_types.Suppression: ...

    async def remove(self, actor: Actor, address: str) -> None: ...

    async def import_csv(self, actor: Actor, text: str) -> suppression_types.Imported:
        """Add what a CSV lists; lines that hold no address are refused one by one."""
        ...

    async def export_csv(self, actor: Actor) -> str:
        """The whole list as CSV in which no cell is a formula; the read is audited."""
        ...


class Tracking(Protocol):
    """What is tracked of sent mail, and who does not want to be."""

    async def settings(self, actor: Actor) -> tracking_types.TrackingSettings: ...

    async def change(self, actor: Actor, request: tracking_types.ChangeTracking) -> tracking_types.TrackingSettings:
        """What is not given stays. Raises NotFound for a domain."""
        ...

    async def opt_out(self, actor: Actor, address: str) -> tracking_types.OptOut: ...

    async def opted_out(self, actor: Actor, address: str) -> tracking_types.OptOut: ...

    async def opt_in(self, actor: Actor, address: str) -> None:
        """Raises NotFound where there is nothing to take back."""
        ...


class Domains(Protocol):
    """Domains a workspace may send from."""

    async def add(self, actor: Actor, request: domain_types.AddDomain) -> domain_types.DomainDetail: ...

    async def list(self, actor: Actor, query: PageQuery) -> domain_types.DomainPage: ...

    async def get(self, actor: Actor, domain: str) -> domain_types.DomainDetail: ...

    async def check(self, actor: Actor, domain: str) -> domain_types.DomainDetail: ...

    async def rotate(self, actor: Actor, domain: str) -> domain_types.DomainDetail: ...

    async def remove(self, actor: Actor, domain: str) -> None: ...


class Transfers(Protocol):
    """Domains that go from one workspace to another."""

    async def ask(self, actor: Actor, domain: str) -> domain_types.DomainTransfer: ...

    async def list(self, actor: Actor) -> domain_types.DomainTransfers: ...

    async def decide(self, actor: Actor, id: str, grant: bool) -> None: ...


class Leaks(Protocol):
    """Secrets that somebody found."""

    async def report(self, token: str, where: str, address: str = "") -> None:
        """Revoke it, or warn its owner; `address` is the reporter's.

        Takes the same time and says nothing, whatever it was.
        """
        ...


class Keys(Protocol):
    """API keys and SMTP credentials: shown once, hashed, revocable at once."""

    async def create_key(self, actor: Actor, request: key_types.CreateKey) -> key_types.NewKey: ...

    async def list_keys(self, actor: Actor, query: key_types.KeyQuery) -> key_types.KeyPage: ...

    async def revoke_key(self, actor: Actor, key: str) -> None: ...

    async def rotate_key(self, actor: Actor, key: str, request: key_types.Rotate) -> key_types.NewKey:
        """The successor; the old one ends after the grace."""
        ...

    async def release_key(self, actor: Actor, key: str) -> None:
        """Let a paused one send again."""
        ...

    async def create_credential(self, actor: Actor, request: key_types.CreateCredential) -> key_types.NewCredential: ...

    async def list_credentials(self, actor: Actor, query: key_types.KeyQuery) -> key_types.CredentialPage: ...

    async def revoke_credential(self, actor: Actor, credential: str) -> None: ...

    async def rotate_credential(
        self, actor: Actor, credential: str, request: key_types.Rotate
    ) -> key_types.NewCredential: ...

    async def release_credential(self, actor: Actor, credential: str) -> None: ...

    async def paused(self, actor: Actor) -> Sequence[key_types.Paused]:
        """Credentials of both kinds that were paused after a burst."""
        ...


class Templates(Protocol):
    """Mails written once and sent often."""

    async def create(self, actor: Actor, request: template_types.CreateTemplate) -> template_types.Template: ...

    async def list(self, actor: Actor, query: template_types.TemplateQuery) -> template_types.TemplatePage: ...

    async def get(self, actor: Actor, name: str) -> template_types.Template: ...

    async def change(
        self, actor: Actor, name: str, request: template_types.ChangeTemplate
    ) -> template_types.Template: ...

    async def remove(self, actor: Actor, name: str) -> None: ...

    async def publish(self, actor: Actor, name: str) -> template_types.Template:
        """Render the draft with its sample, and make it the version that is sent."""
        ...

    async def roll_back(self, actor: Actor, name: str, version: int) -> template_types.Template: ...

    async def versions(
        self, actor: Actor, name: str, query: template_types.VersionQuery
    ) -> template_types.VersionPage: ...

    async def version(self, actor: Actor, name: str, number: int) -> template_types.TemplateVersionView: ...

    async def preview(
        self, actor: Actor, name: str, request: template_types.RenderTemplate
    ) -> template_types.RenderedMail:
        """The draft or a version, with data or the sample. Nothing is sent."""
        ...

    async def try_out(
        self, actor: Actor, name: str, request: template_types.ChangeTemplate
    ) -> template_types.RenderedMail:
        """The draft as it would be with what is given, rendered with its sample. Nothing is kept."""
        ...

    async def trial(self, actor: Actor, name: str, sender: str, to: str) -> Outgoing:
        """The draft with its sample, ready to be submitted to one address as a test."""
        ...

    async def filled(self, actor: Actor, request: message_types.SendRequest) -> message_types.SendRequest:
        """The request with the mail its template renders to. Invalid unless it names a template and nothing beside."""
        ...

    async def filled_raw(self, actor: Actor, content: bytes) -> bytes:
        """A finished message whose header may name a template: with the mail that it renders to, if so."""
        ...


class Webhooks(Protocol):
    """Endpoints that are told what happens."""

    async def create(self, actor: Actor, request: webhook_types.CreateWebhook) -> webhook_types.NewWebhook: ...

    async def list(self, actor: Actor, query: PageQuery) -> webhook_types.WebhookPage: ...

    async def get(self, actor: Actor, webhook: str) -> webhook_types.Webhook: ...

    async def change(self, actor: Actor, webhook: str, request: webhook_types.ChangeWebhook) -> webhook_types.Webhook:
        """Change what is given. Enabling posts a test event first; Conflict 'webhook_not_answering' unless taken."""
        ...

    async def remove(self, actor: Actor, webhook: str) -> None: ...

    async def test(self, actor: Actor, webhook: str) -> webhook_types.TestQueued: ...

    async def attempts(
        self, actor: Actor, webhook: str, query: webhook_types.AttemptQuery
    ) -> webhook_types.AttemptPage: ...

    async def events(
        self, actor: Actor, webhook: str, query: webhook_types.ToldQuery
    ) -> webhook_types.WebhookEventPage: ...

    async def event(self, actor: Actor, webhook: str, event: str) -> webhook_types.WebhookEventDetail: ...

    async def replay(self, actor: Actor, webhook: str, request: webhook_types.StartReplay) -> webhook_types.Replay:
        """Post one event, or many, again; returns at once with the count."""
        ...

    async def replays(self, actor: Actor, webhook: str, query: PageQuery) -> webhook_types.ReplayPage: ...

    async def replay_progress(self, actor: Actor, webhook: str, replay: str) -> webhook_types.Replay: ...

    async def rotate_secret(self, actor: Actor, webhook: str) -> webhook_types.NewWebhook: ...


class Inbound(Protocol):
    """Mail that is received for the workspace's domains: routes, messages, and handing over."""

    async def create_route(self, actor: Actor, request: inbound_types.CreateRoute) -> inbound_types.NewRoute: ...

    async def routes(self, actor: Actor, query: PageQuery) -> inbound_types.RoutePage: ...

    async def route(self, actor: Actor, route: str) -> inbound_types.Route: ...

    async def change_route(
        self, actor: Actor, route: str, request: inbound_types.ChangeRoute
    ) -> inbound_types.Route: ...

    async def remove_route(self, actor: Actor, route: str) -> None: ...

    async def rotate_secret(self, actor: Actor, route: str) -> inbound_types.NewRoute: ...

    async def replay_range(
        self, actor: Actor, route: str, request: inbound_types.ReplayRange
    ) -> inbound_types.InboundReplay: ...

    async def replay_progress(self, actor: Actor, route: str, replay: str) -> inbound_types.InboundReplay: ...

    async def find(self, actor: Actor, query: inbound_types.ReceivedQuery) -> inbound_types.ReceivedPage: ...

    async def get(self, actor: Actor, message: str) -> inbound_types.ReceivedDetail: ...

    async def attempts(self, actor: Actor, message: str, query: PageQuery) -> inbound_types.HandOverPage: ...

    async def raw(self, actor: Actor, message: str) -> bytes:
        """The octets as they came; the read is audited."""
        ...

    async def content(self, actor: Actor, message: str) -> message_types.Content:
        """Text, sanitised HTML and the list of attachments; the read is audited."""
        ...

    async def replay(
        self, actor: Actor, message: str, request: inbound_types.ReplayMessage
    ) -> inbound_types.Started: ...

    async def release(self, actor: Actor, message: str) -> inbound_types.Started: ...

    async def discard(self, actor: Actor, message: str) -> inbound_types.Started: ...

    async def erase(self, actor: Actor, message: str) -> None: ...


class Roles(Protocol):
    """Roles the workspace made itself."""

    async def list(self, actor: Actor) -> role_types.Roles: ...

    async def holders(self, actor: Actor) -> dict[str, str]:
        """Which of them each member has, ids both; who has none is not in it."""
        ...

    async def create(self, actor: Actor, request: role_types.WriteRole) -> role_types.CustomRole:
        """Invalid for what is no permission, Forbidden beyond the actor's own, Conflict for a name that is taken."""
        ...

    async def change(self, actor: Actor, role: str, request: role_types.WriteRole) -> role_types.CustomRole:
        """Likewise; NotFound for no role of this workspace."""
        ...

    async def remove(self, actor: Actor, role: str) -> None:
        """Conflict while somebody has it."""
        ...

    async def give(self, actor: Actor, role: str, request: role_types.GiveRole) -> member_types.Member: ...


class Members(Protocol):
    """The workspace's people, invitations, and the networks they may come from."""

    async def list(self, actor: Actor) -> member_types.Members: ...

    async def change(self, actor: Actor, member: str, request: member_types.ChangeMember) -> member_types.Member: ...

    async def remove(self, actor: Actor, member: str) -> None: ...

    async def invitations(self, actor: Actor) -> member_types.Invitations: ...

    async def invite(self, actor: Actor, request: member_types.Invite) -> member_types.Invitation:
        """Mail a link to the address; Conflict 'no_sender' when there is no domain to mail from."""
        ...

    async def resend(self, actor: Actor, invitation: str) -> member_types.Invitation: ...

    async def revoke_invitation(self, actor: Actor, invitation: str) -> None: ...

    async def networks(self, actor: Actor) -> member_types.Networks: ...

    async def change_networks(
        self, actor: Actor, request: member_types.ChangeNetworks, *, own: str | None = None, confirmed: bool = False
    ) -> member_types.Networks:
        """`own`: the address of a person who asks. Conflict 'locks_you_out' unless it is inside, or confirmed."""
        ...


class Audit(Protocol):
    """The workspace's Merkle log."""

    async def entries(self, actor: Actor, query: audit_types.AuditQuery) -> audit_types.AuditPage: ...

    async def checkpoint(self, actor: Actor) -> audit_types.Checkpoint: ...

    async def proof(self, actor: Actor, query: audit_types.ProofQuery) -> audit_types.Proof: ...

    async def csv(self, actor: Actor, query: audit_types.AuditQuery) -> str:
        """What a search finds, at most 10,000 entries, as CSV in which no cell is a formula; an entry itself."""
        ...

    async def export(self, actor: Actor, query: audit_types.AuditExportQuery) -> bytes:
        """The file that `mailward audit verify` reads."""
        ...


class Alerts(Protocol):
    """What the platform's rules recognised as attacks on the workspace."""

    async def page(self, actor: Actor, query: PageQuery) -> alert_types.AlertPage: ...

    async def acknowledge(self, actor: Actor, id: str) -> alert_types.Alert:
        """Note that it was seen; who was first stays."""
        ...


class Workspace(Protocol):
    """The tenant itself: its settings, its use, its feed of events."""

    async def get(self, actor: Actor) -> workspace_types.WorkspaceDetail: ...

    async def retention(self, actor: Actor) -> workspace_types.Retention: ...

    async def change_retention(
        self, actor: Actor, request: workspace_types.ChangeRetention
    ) -> workspace_types.Retention: ...

    async def redaction(self, actor: Actor) -> redaction_types.Redaction:
        """What of its mail it does not want stored."""
        ...

    async def change_redaction(
        self, actor: Actor, request: redaction_types.ChangeRedaction
    ) -> redaction_types.Redaction:
        """Other rules; fields left out stay."""
        ...

    async def revokes_leaked(self, actor: Actor) -> bool:
        """Whether a key that somebody reports as leaked is revoked at once; else its owner is told."""
        ...

    async def change_leak_response(self, actor: Actor, revoke: bool) -> None: ...

    async def usage(self, actor: Actor, query: workspace_types.UsageQuery) -> workspace_types.Usage: ...

    async def events(self, actor: Actor, query: workspace_types.EventQuery) -> message_types.EventPage: ...


class Access(Protocol):
    """Operators' access to the workspace, and the reviews of all access."""

    async def list_access(self, actor: Actor, query: PageQuery) -> access_types.OperatorAccessPage: ...

    async def permit(self, actor: Actor, grant: str) -> access_types.OperatorAccess: ...

    async def revoke(self, actor: Actor, grant: str) -> access_types.OperatorAccess: ...

    async def reviews(self, actor: Actor) -> access_types.AccessReviewPage: ...

    async def review(self, actor: Actor, id: str) -> access_types.AccessReview: ...

    async def decide(self, actor: Actor, id: str, request: access_types.DecideAccess) -> access_types.AccessReview: ...


class Platform(Protocol):
    """Everything the API reaches."""

    @property
    def access(self) -> Access: ...

    @property
    def messages(self) -> Messages: ...

    @property
    def suppressions(self) -> Suppressions: ...

    @property
    def domains(self) -> Domains: ...

    @property
    def keys(self) -> Keys: ...

    @property
    def leaks(self) -> Leaks: ...

    @property
    def transfers(self) -> Transfers: ...

    @property
    def tracking(self) -> Tracking: ...

    @property
    def templates(self) -> Templates: ...

    @property
    def webhooks(self) -> Webhooks: ...

    @property
    def inbound(self) -> Inbound: ...

    @property
    def members(self) -> Members: ...

    @property
    def roles(self) -> Roles: ...

    @property
    def audit(self) -> Audit: ...

    @property
    def alerts(self) -> Alerts: ...

    @property
    def workspace(self) -> Workspace: ...


class Readiness(Protocol):
    """Whether this process should be given work."""

    async def check(self) -> dict[str, bool]:
        """Each part by name (storage, keys, disk) and whether it answers; draining is a part too."""
        ...
