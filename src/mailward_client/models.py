"""What is sent and answered, as dataclasses.

Made from the OpenAPI document by `make client`; changes here are lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from mailward_client.values import OMIT, Omit


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The message is on disk: losing it from here on is our fault."""

    id: str
    message_id: str
    status: Literal[
        "bounced",
        "cancelled",
        "delivered",
        "discarded",
        "expired",
        "held",
        "partly",
        "queued",
        "scheduled",
        "sending",
        "suppressed",
    ]
    deliveries: list[AcceptedDelivery]


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedDelivery:
    """One recipient's copy."""

    id: str
    recipient: str
    status: Literal[
        "bounced",
        "cancelled",
        "delivered",
        "discarded",
        "expired",
        "held",
        "partly",
        "queued",
        "scheduled",
        "sending",
        "suppressed",
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessReview:
    """A quarter's review; exported as it stands, it is the evidence."""

    id: str
    quarter: str
    opened_at: datetime
    items: list[ReviewItem]
    escalates_at: datetime
    suspends_at: datetime
    escalated_at: datetime | None = None
    suspended_at: datetime | None = None
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessReviewPage:
    """Newest first."""

    data: list[AccessReview]


@dataclass(frozen=True, slots=True, kw_only=True)
class AddDomain:
    """A domain you hold. It sends nothing before its records are found."""

    name: str
    subdomains: bool | Omit = OMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class AddSuppression:
    """Stop writing to an address, in one stream or (without `stream`) in all."""

    address: str
    reason: Literal["complaint", "hard_bounce", "imported", "manual", "unsubscribe"] | Omit = OMIT
    stream: Literal["broadcast", "transactional"] | Omit | None = OMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A mailbox in two parts."""

    email: str
    name: str | Omit = OMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """`subject` is the id of a credential, a person or the workspace; `sentence` says what was seen.
    `acknowledged_by` is who noted that they have seen it: the kind of credential and its id, or "".
    """

    id: str
    at: datetime
    rule: str
    severity: str
    subject: str
    sentence: str
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertPage:
    """Alerts, newest first."""

    data: list[Alert]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """What of mail from the domain is aligned with it, as DNS was last seen; one of the two is enough for
    DMARC. `policy` is what receivers are asked to do with mail that is not: none, quarantine, reject, or ""
    without a record.
    """

    dkim: bool
    spf: bool
    policy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file, or with `content_id` a part the HTML refers to as `cid:`."""

    filename: str
    content: bytes
    content_type: str | Omit = OMIT
    content_id: str | Omit | None = OMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try, explained."""

    number: int
    at: datetime
    elapsed_ms: int
    outcome: str
    reason: str
    host: str
    ip: str
    why_host: str
    policy: str
    tls: dict[str, str]
    code: int
    enhanced: str
    text: str
    signed: list[str]
    dialogue: list[DialogueLine]
    next_try_at: datetime | None = None
    rewritten: list[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptPage:
    """Tries, newest first."""

    data: list[WebhookAttempt]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Who did what, when, from where. `facts` is null once erased; `leaf_hash` is the leaf's RFC 6962 hash in
    base64. `outcome` is "done", "refused", "held" or "failed"; `address` and `reason` are empty where there
    is none.
    """

    index: int
    at: datetime
    actor_kind: str
    actor: str
    act: str
    target: str
    facts: dict[str, str] | None
    leaf_hash: str
    id: str | None = None
    address: str | None = None
    outcome: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditPage:
    """Entries, newest first."""

    data: list[AuditEntry]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchItem:
    """One message of a batch: accepted, tried, or refused."""

    index: int
    accepted: Accepted | None = None
    dry_run: DryRun | None = None
    error: Problem | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRequest:
    """Up to 500 messages. Each has its own result; with `atomic` one refusal refuses all."""

    messages: list[SendRequest]
    atomic: bool | Omit = OMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult:
    """Results in the order of the request."""

    accepted: int
    refused: int
    results: list[BatchItem]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeMember:
    """Another role. The person's sessions here end, and what they made is revoked when they are lowered."""

    role: Literal["member", "workspace_admin", "workspace_manager"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeNetworks:
    """The whole list, in CIDR form; empty lifts the restriction."""

    networks: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRedaction:
    """Only the fields given change. What was taken out does not come back."""

    subject: ChangeRule | Omit = OMIT
    addresses: ChangeRule | Omit = OMIT
    ip: ChangeRule | Omit = OMIT
    body: ChangeRule | Omit = OMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRetention:
    """Only the fields given change; null means the installation's term. What a shorter term ends goes in minutes."""

    messages_days: int | Omit | None = OMIT
    content_days: int | Omit | None = OMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRoute:
    """Only the fields given change."""

    url: str | Omit = OMIT
    kind: Literal["catch_all", "exact", "plus", "regex", "wildcard"] | Omit = OMIT
    pattern: str | Omit = OMIT
    format: Literal["cloudmailin_json", "cloudmailin_multipart", "cloudmailin_raw", "mailward"] | Omit = OMIT
    mode: Literal["in_session", "store"] | Omit = OMIT
    authorize_url: str | Omit = OMIT
    require_tls: bool | Omit = OMIT
    on_scanner_down: Literal["accept", "defer"] | Omit = OMIT
    attachments: Literal["inline", "store"] | Omit = OMIT
    signature: Literal["ed25519", "hmac"] | Omit = OMIT
    description: str | Omit = OMIT
    enabled: bool | Omit = OMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRule:
    """What is to be done with one field."""

    mode: Literal["keep", "never", "redact"]
    after_hours: int | Omit = OMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeTemplate:
    """Only the fields given change, and only in the draft."""

    description: str | Omit = OMIT
    subject: str | Omit = OMIT
    html: str | Omit = OMIT
    text: str | Omit = OMIT
    layout: str | Omit = OMIT
    sample: dict[str, Any] | Omit = OMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeTracking:
    """Only what is given changes; null says nothing any more. Domains by their id."""

    workspace: Literal["both", "clicks", "off", "opens"] | Omit | None = OMIT
    streams: dict[str, Literal["both", "clicks", "off", "opens"] | None] | Omit = OMIT
    domains: dict[str, Literal["both", "clicks", "off", "opens"] | None] | Omit = OMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeWebhook:
    """Only the fields given change."""

    url: str | Omit = OMIT
    events: (
        list[
            Literal[
                "domain.drifted",
                "domain.failing",
                "domain.released",
                "domain.verified",
                "endpoint.disabled",
                "message.accepted",
                "message.bounced",
                "message.cancelled",
                "message.clicked",
                "message.complained",
                "message.deferred",
                "message.delivered",
                "message.discarded",
                "message.expired",
                "message.held",
                "message.opened",
                "message.released",
                "message.scheduled",
                "message.suppressed",
                "route.disabled",
            ]
        ]
        | Omit
    ) = OMIT
    description: str | Omit = OMIT
    enabled: bool | Omit = OMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The signed head of the log, as a C2SP tlog-checkpoint note."""

    note: str
    size: int
    root_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeList:
    """Every listed code."""

    data: list[ProblemMeaning]


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A message for reading: sanitised, without remote content."""

    subject: str
    text: str
    html: str
    attachments: list[ContentAttachment]
    defects: list[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentAttachment:
    """A file in a message; the name is made safe, the bytes are in the raw message."""

    filename: str
    content_type: str
    size: int
    content_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """Where a message stands for one route."""

    route: str
    state: Literal["expired", "failed", "handed_over", "quarantined", "received", "refused"]
    attempts: int
    next_try_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateCredential:
    """For SMTP submission: a user name and password, or for the private listener the networks it stands for."""

    name: str
    kind: Literal["network", "password"] | Omit = OMIT
    expires_at: datetime | Omit | None = OMIT
    networks: list[str] | Omit = OMIT
    domains: list[str] | Omit | None = OMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateKey:
    """A key with the least it needs."""

    name: str
    scopes: list[
        Literal[
            "admin",
            "audit",
            "domains",
            "inbound",
            "keys",
            "members",
            "read",
            "send",
            "suppressions",
            "templates",
            "webhooks",
        ]
    ]
    expires_at: datetime | Omit | None = OMIT
    networks: list[str] | Omit = OMIT
    domains: list[str] | Omit | None = OMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRoute:
    """Which addresses of a verified domain go to which endpoint, and how."""

    domain: str
    url: str
    kind: Literal["catch_all", "exact", "plus", "regex", "wildcard"] | Omit = OMIT
    pattern: str | Omit = OMIT
    format: Literal["cloudmailin_json", "cloudmailin_multipart", "cloudmailin_raw", "mailward"] | Omit = OMIT
    mode: Literal["in_session", "store"] | Omit = OMIT
    authorize_url: str | Omit = OMIT
    require_tls: bool | Omit = OMIT
    on_scanner_down: Literal["accept", "defer"] | Omit = OMIT
    attachments: Literal["inline", "store"] | Omit = OMIT
    signature: Literal["ed25519", "hmac"] | Omit = OMIT
    description: str | Omit = OMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTemplate:
    """A new draft."""

    name: str
    description: str | Omit = OMIT
    subject: str | Omit = OMIT
    html: str | Omit = OMIT
    text: str | Omit = OMIT
    layout: str | Omit = OMIT
    sample: dict[str, Any] | Omit = OMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateWebhook:
    """Where to tell what."""

    url: str
    events: (
        list[
            Literal[
                "domain.drifted",
                "domain.failing",
                "domain.released",
                "domain.verified",
                "endpoint.disabled",
                "message.accepted",
                "message.bounced",
                "message.cancelled",
                "message.clicked",
                "message.complained",
                "message.deferred",
                "message.delivered",
                "message.discarded",
                "message.expired",
                "message.held",
                "message.opened",
                "message.released",
                "message.scheduled",
                "message.suppressed",
                "route.disabled",
            ]
        ]
        | Omit
    ) = OMIT
    description: str | Omit = OMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """An SMTP credential without its password."""

    id: str
    name: str
    username: str
    networks: list[str]
    created_at: datetime
    kind: str | None = None
    domains: list[str] | None = None
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None
    paused_at: datetime | None = None
    pause_reason: str | None = None
    successor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialPage:
    """Credentials, newest first."""

    data: list[Credential]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomRole:
    """A role of the workspace's own."""

    id: str
    name: str
    permissions: list[str]
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideAccess:
    """What is to become of one access."""

    kind: Literal["grant", "key", "member", "operator"]
    id: str
    decision: Literal["keep", "remove"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideTransfer:
    """Grant it, and the domain leaves this workspace with its keys and routes; or refuse."""

    grant: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One recipient's copy and where it stands."""

    id: str
    recipient: str
    status: Literal[
        "bounced",
        "cancelled",
        "delivered",
        "discarded",
        "expired",
        "held",
        "partly",
        "queued",
        "scheduled",
        "sending",
        "suppressed",
    ]
    attempts: int
    updated_at: datetime
    next_try_at: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DialogueLine:
    """One line of an SMTP dialogue, content left out; `at_ms` since the attempt began."""

    at_ms: int
    side: str
    line: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsRecord:
    """A record to publish, and what was found in its place."""

    purpose: str
    type: str
    name: str
    value: str
    required: bool
    state: str
    zone_line: str | None = None
    found: list[str] | None = None
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """An OpenAPI document."""

    openapi: str
    info: dict[str, Any]
    paths: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainDetail:
    """A domain with its records and each one's state."""

    id: str
    name: str
    status: str
    created_at: datetime
    checked_at: datetime | None = None
    failing_since: datetime | None = None
    stops_sending_at: datetime | None = None
    verified_at: datetime | None = None
    records: list[DnsRecord] | None = None
    alignment: Alignment | None = None
    signing_keys: list[SigningKeys] | None = None
    rotation_due_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainPage:
    """Domains by age, newest first."""

    data: list[DomainSummary]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainSummary:
    """One line of a list."""

    id: str
    name: str
    status: str
    created_at: datetime
    checked_at: datetime | None = None
    failing_since: datetime | None = None
    stops_sending_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainTracking:
    """A domain: what is said for it (null: nothing), what that comes to by stream, and the host of its links.
    While `missing` is not empty nothing is tracked of its mail, whatever is said.
    """

    id: str
    name: str
    mode: Literal["both", "clicks", "off", "opens"] | None
    in_force: dict[str, Literal["both", "clicks", "off", "opens"]]
    links_at: str
    missing: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainTransfer:
    """A domain one workspace asks of another. `direction`: asked or asked_of_us; `status`: open, granted or
    refused.
    """

    id: str
    domain: str
    name: str
    direction: str
    status: str
    asked_at: datetime
    decided_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainTransfers:
    """The newest hundred."""

    data: list[DomainTransfer]


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What would have been sent, and why it would be sent or held. What would be refused is refused."""

    dry_run: bool
    would: Literal["hold", "queue", "schedule"]
    reasons: list[str]
    message_id: str
    size: int
    recipients: list[DryRunRecipient]
    headers: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRunRecipient:
    """What would happen to one recipient's copy."""

    recipient: str
    status: str
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a message."""

    id: str
    type: str
    at: datetime
    message: str
    recipient: str | None = None
    facts: dict[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventPage:
    """Events in order."""

    data: list[Event]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedDelivery:
    """One recipient's copy with every attempt. `meaning` is the reason as a sentence. A copy may wait without
    an attempt: for its time, or for its turn at a destination that takes mail slowly.
    """

    id: str
    recipient: str
    status: Literal[
        "bounced",
        "cancelled",
        "delivered",
        "discarded",
        "expired",
        "held",
        "partly",
        "queued",
        "scheduled",
        "sending",
        "suppressed",
    ]
    reason: str | None
    attempts: list[Attempt]
    meaning: str | None = None
    next_try_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why the message is where it is."""

    id: str
    status: Literal[
        "bounced",
        "cancelled",
        "delivered",
        "discarded",
        "expired",
        "held",
        "partly",
        "queued",
        "scheduled",
        "sending",
        "suppressed",
    ]
    summary: str
    deliveries: list[ExplainedDelivery]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """What is done with one field."""

    mode: Literal["keep", "never", "redact"]
    after_hours: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveRole:
    """Who gets it."""

    member: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOverAttempt:
    """One try to hand a message over. `status` is null when there was no HTTP answer; then `response` says why."""

    id: str
    route: str
    at: datetime
    number: int
    outcome: str
    status: int | None
    elapsed_ms: int
    response: str
    next_try_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HandOverPage:
    """Tries, newest first."""

    data: list[HandOverAttempt]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The process answers."""

    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """How many rows were added, known already, or refused (with the first reasons)."""

    added: int
    known: int
    refused: int
    reasons: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundReplay:
    """A replay and how far it is. Messages keep their ids, so a receiver can tell those it has seen."""

    id: str
    route: str
    since: datetime
    until: datetime
    only: Literal["all", "failed"]
    total: int
    waiting: int
    handed_over: int
    failed: int
    finished: bool
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """An invitation; its link is in the mail only. `role` may be the id of a role of the workspace's own;
    `mailed` is false when no letter could be handed over.
    """

    id: str
    email: str
    role: str
    state: str
    created_at: datetime
    sent_at: datetime
    expires_at: datetime
    mailed: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitations:
    """The newest two hundred."""

    data: list[Invitation]


@dataclass(frozen=True, slots=True, kw_only=True)
class Invite:
    """Whom to invite, and as what. Nobody invites above themselves."""

    email: str
    role: str | Omit = OMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key; only its prefix is known to us. `paused_at`: it sends nothing until it is released."""

    id: str
    name: str
    prefix: str
    scopes: list[str]
    networks: list[str]
    created_at: datetime
    domains: list[str] | None = None
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None
    paused_at: datetime | None = None
    pause_reason: str | None = None
    successor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPage:
    """Keys, newest first."""

    data: list[Key]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakReceived:
    """Nothing is told about the secret."""

    received: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakReport:
    """A secret that was found, and where: an address or a few words. The answer is the same for any text."""

    token: str
    where: str | Omit = OMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Somebody with a place in the workspace."""

    id: str
    email: str
    name: str
    role: str
    joined_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """Everybody, the first to join first."""

    data: list[Member]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDetail:
    """A message with its deliveries."""

    id: str
    message_id: str
    status: Literal[
        "bounced",
        "cancelled",
        "delivered",
        "discarded",
        "expired",
        "held",
        "partly",
        "queued",
        "scheduled",
        "sending",
        "suppressed",
    ]
    from_: str = field(metadata={"json": "from"})
    to: str
    subject: str
    stream: str
    tags: list[str]
    size: int
    recipients: int
    test_mode: bool
    created_at: datetime
    scheduled_at: datetime | None = None
    source: str | None = None
    metadata: dict[str, str] | None = None
    deliveries: list[Delivery] | None = None
    content_gone_at: datetime | None = None
    redacted: list[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePage:
    """Newest first."""

    data: list[MessageSummary]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSummary:
    """One line of a list."""

    id: str
    message_id: str
    status: Literal[
        "bounced",
        "cancelled",
        "delivered",
        "discarded",
        "expired",
        "held",
        "partly",
        "queued",
        "scheduled",
        "sending",
        "suppressed",
    ]
    from_: str = field(metadata={"json": "from"})
    to: str
    subject: str
    stream: str
    tags: list[str]
    size: int
    recipients: int
    test_mode: bool
    created_at: datetime
    scheduled_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Networks:
    """Where the workspace's people may come from; empty: from anywhere. Keys have networks of their own."""

    networks: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCredential:
    """An SMTP credential with its password, shown this once; null for a network."""

    id: str
    name: str
    username: str
    networks: list[str]
    created_at: datetime
    kind: str | None = None
    domains: list[str] | None = None
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None
    paused_at: datetime | None = None
    pause_reason: str | None = None
    successor: str | None = None
    password: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key with its secret, shown this once."""

    id: str
    name: str
    prefix: str
    scopes: list[str]
    networks: list[str]
    created_at: datetime
    domains: list[str] | None = None
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None
    paused_at: datetime | None = None
    pause_reason: str | None = None
    successor: str | None = None
    secret: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRoute:
    """A route with what is shown this once: the secret that signs and, for ed25519, the key that verifies."""

    id: str
    domain: str
    kind: Literal["catch_all", "exact", "plus", "regex", "wildcard"]
    pattern: str
    url: str
    with_credentials: bool
    format: Literal["cloudmailin_json", "cloudmailin_multipart", "cloudmailin_raw", "mailward"]
    mode: Literal["in_session", "store"]
    authorize_url: str
    require_tls: bool
    on_scanner_down: Literal["accept", "defer"]
    attachments: Literal["inline", "store"]
    signature: Literal["ed25519", "hmac"]
    description: str
    enabled: bool
    created_at: datetime
    disabled_reason: str | None = None
    disabled_at: datetime | None = None
    failing_since: datetime | None = None
    secret: str | None = None
    public_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewWebhook:
    """An endpoint with its signing secret, shown this once."""

    id: str
    url: str
    events: list[str]
    description: str
    enabled: bool
    created_at: datetime
    disabled_reason: str | None = None
    disabled_at: datetime | None = None
    failing_since: datetime | None = None
    owner_told: Literal["due", "mailed", "not mailed"] | None = None
    secret: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorAccess:
    """One access that was asked for: by whom, why, to what, and what came of it. Each read is in the audit log."""

    id: str
    operator: str
    state: Literal["ended", "live", "ready", "requested", "waiting"]
    what: list[str]
    reason: str
    ticket: str
    ground: str
    legal: str
    minutes: int
    requested_at: datetime
    waits_for_permission: bool
    not_before: datetime | None = None
    approver: str | None = None
    approved_at: datetime | None = None
    permitted_at: datetime | None = None
    began_at: datetime | None = None
    ends_at: datetime | None = None
    ended_at: datetime | None = None
    why_ended: str | None = None
    workspace: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorAccessPage:
    """Newest first."""

    data: list[OperatorAccess]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OptOut:
    """Whether a recipient is tracked by this workspace. The address is not kept, only a keyed hash of it."""

    address: str
    opted_out: bool
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OptOutRequest:
    """A recipient's address."""

    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """New mail of a stream, or of every stream (null), is accepted and held."""

    stream: Literal["broadcast", "transactional"] | None
    since: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseSending:
    """Which stream to pause, or all of them."""

    stream: Literal["broadcast", "transactional"] | Omit | None = OMIT
    reason: str | Omit = OMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A refusal inside an answer. A refused call raises `mailward_client.Problem` instead."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    field: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemMeaning:
    """What a code means and what to do about it."""

    code: str
    status: int
    title: str
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Hashes in base64, in the order of RFC 6962 section 2.1."""

    kind: str
    size: int
    hashes: list[str]
    index: int | None = None
    first: int | None = None
    leaf_hash: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRequest:
    """A finished RFC 5322 message and its envelope."""

    raw: bytes
    from_: str | Omit | None = field(default=OMIT, metadata={"json": "from"})
    to: list[str] | Omit = OMIT
    tags: list[str] | Omit = OMIT
    metadata: dict[str, str] | Omit = OMIT
    stream: Literal["broadcast", "transactional"] | Omit = OMIT
    scheduled_at: datetime | Omit | None = OMIT
    test_mode: bool | Omit = OMIT
    dry_run: bool | Omit = OMIT
    tracking: Literal["both", "clicks", "off", "opens"] | Omit | None = OMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Each part and whether it answers."""

    ready: bool
    parts: dict[str, bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedDetail:
    """Everything that is known of a message beside its content."""

    id: str
    received_at: datetime
    mail_from: str
    recipients: list[str]
    from_: str = field(metadata={"json": "from"})
    subject: str
    message_id: str
    size: int
    remote_ip: str
    tls_version: str | None
    spf: str
    dkim: str
    dmarc: str
    scan: str
    reason: str | None
    copies: list[Copy]
    to: str
    helo: str
    tls_cipher: str | None
    sha256: str
    content_kept: bool
    authentication: dict[str, Any]
    scan_report: dict[str, Any]
    defects: list[str]
    processing_ms: float
    redacted: list[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedPage:
    """Messages, newest first."""

    data: list[ReceivedSummary]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedSummary:
    """One line of the list. `reason` says why it was refused or waits in quarantine."""

    id: str
    received_at: datetime
    mail_from: str
    recipients: list[str]
    from_: str = field(metadata={"json": "from"})
    subject: str
    message_id: str
    size: int
    remote_ip: str
    tls_version: str | None
    spf: str
    dkim: str
    dmarc: str
    scan: str
    reason: str | None
    copies: list[Copy]


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction:
    """Each field's rule. What is taken out shows as `[redacted]`, and the message's `redacted` lists the fields."""

    subject: FieldRule
    addresses: FieldRule
    ip: FieldRule
    body: FieldRule


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseHeld:
    """Which held messages to send: those of one stream, or all."""

    stream: Literal["broadcast", "transactional"] | Omit | None = OMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """How many messages were released; `more` when some are still held: ask again."""

    released: int
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderTemplate:
    """What to render with. Without data its own sample; without a version the draft."""

    data: dict[str, Any] | Omit | None = OMIT
    version: int | Omit | None = OMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedMail:
    """What would be sent."""

    version: int | None
    subject: str
    html: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A replay and how far it is. Events keep their ids, so a receiver can tell those it has seen."""

    id: str
    webhook: str
    created_at: datetime
    since: datetime
    until: datetime
    only: Literal["all", "failed"]
    total: int
    pending: int
    delivered: int
    failed: int
    cancelled: int
    finished: bool
    more: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayMessage:
    """To which route; without one, to each that the message has."""

    route: str | Omit | None = OMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayPage:
    """Replays, newest first."""

    data: list[Replay]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRange:
    """What a route received in a span of time. With no field: all that its endpoint never took and is still kept."""

    since: datetime | Omit | None = OMIT
    until: datetime | Omit | None = OMIT
    only: Literal["all", "failed"] | Omit = OMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Reschedule:
    """When to send instead: up to 30 days ahead."""

    scheduled_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeSending:
    """Which pause to end. What is held stays held until it is released."""

    stream: Literal["broadcast", "transactional"] | Omit | None = OMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long messages are kept: the terms in force, the workspace's own (null: it has none), the installation's."""

    messages_days: int
    content_days: int
    own_messages_days: int | None
    own_content_days: int | None
    default_messages_days: int
    default_content_days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewItem:
    """One access under review, as it was when the review opened."""

    kind: Literal["grant", "key", "member", "operator"]
    id: str
    name: str
    facts: dict[str, str]
    decision: Literal["keep", "remove"] | None = None
    decided_at: datetime | None = None
    decided_by: str | None = None
    outcome: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Roles:
    """By name."""

    data: list[CustomRole]


@dataclass(frozen=True, slots=True, kw_only=True)
class RollBack:
    """Which version is sent from now on."""

    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotate:
    """How long the old one goes on working beside its successor."""

    grace_hours: int | Omit = OMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A route. URLs are shown without credentials; `with_credentials` says that there are some."""

    id: str
    domain: str
    kind: Literal["catch_all", "exact", "plus", "regex", "wildcard"]
    pattern: str
    url: str
    with_credentials: bool
    format: Literal["cloudmailin_json", "cloudmailin_multipart", "cloudmailin_raw", "mailward"]
    mode: Literal["in_session", "store"]
    authorize_url: str
    require_tls: bool
    on_scanner_down: Literal["accept", "defer"]
    attachments: Literal["inline", "store"]
    signature: Literal["ed25519", "hmac"]
    description: str
    enabled: bool
    created_at: datetime
    disabled_reason: str | None = None
    disabled_at: datetime | None = None
    failing_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutePage:
    """Routes, newest first."""

    data: list[Route]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRequest:
    """One message. At least one recipient, and a text or an HTML part, or a template, are needed."""

    from_: str = field(metadata={"json": "from"})
    to: str | list[str | Address] | Omit = OMIT
    cc: str | list[str | Address] | Omit = OMIT
    bcc: str | list[str | Address] | Omit = OMIT
    reply_to: str | list[str | Address] | Omit = OMIT
    subject: str | Omit = OMIT
    text: str | Omit | None = OMIT
    html: str | Omit | None = OMIT
    template: str | Omit | None = OMIT
    template_version: int | Omit | None = OMIT
    data: dict[str, Any] | Omit = OMIT
    headers: dict[str, str] | Omit = OMIT
    attachments: list[Attachment] | Omit = OMIT
    tags: list[str] | Omit = OMIT
    metadata: dict[str, str] | Omit = OMIT
    stream: Literal["broadcast", "transactional"] | Omit = OMIT
    list_unsubscribe: Unsubscribe | Omit | None = OMIT
    scheduled_at: datetime | Omit | None = OMIT
    test_mode: bool | Omit = OMIT
    dry_run: bool | Omit = OMIT
    tracking: Literal["both", "clicks", "off", "opens"] | Omit | None = OMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """What is paused; with an empty list mail flows. `held`: some message is held and waits to be released."""

    paused: list[Pause]
    held: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeys:
    """A generation of keys. `state`: publishing, seen, active (it signs), retiring, or revoked."""

    selectors: list[str]
    state: str
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StartReplay:
    """What to post again: one event, or those of a span of time. With no field: all that failed and is still kept."""

    event: str | Omit | None = OMIT
    since: datetime | Omit | None = OMIT
    until: datetime | Omit | None = OMIT
    only: Literal["all", "failed"] | Omit = OMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """How many copies start over."""

    copies: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """An entry."""

    address: str
    reason: str
    stream: str | None
    created_at: datetime
    source: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionPage:
    """Entries, newest first."""

    data: list[Suppression]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A template with its draft."""

    name: str
    description: str
    layout: str
    version: int | None
    created_at: datetime
    changed_at: datetime
    subject: str | None = None
    html: str | None = None
    text: str | None = None
    sample: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplatePage:
    """Templates by name."""

    data: list[TemplateSummary]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateSummary:
    """One line of a list."""

    name: str
    description: str
    layout: str
    version: int | None
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateVersionView:
    """A template as it was published."""

    version: int
    published_at: datetime
    by: str
    current: bool
    subject: str
    html: str
    text: str
    layout: str
    sample: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TestQueued:
    """A test event is on its way; its attempt will be listed."""

    event: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackingSettings:
    """The narrowest that says something counts: the message, its stream, its domain, the workspace; else
    `default`.
    """

    default: Literal["both", "clicks", "off", "opens"]
    workspace: Literal["both", "clicks", "off", "opens"] | None
    streams: dict[str, Literal["both", "clicks", "off", "opens"] | None]
    domains: list[DomainTracking]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsubscribe:
    """Where a recipient unsubscribes; broadcasts need it. With `one_click` the URL takes a POST (RFC 8058),
    which large mailbox providers ask of bulk mail.
    """

    url: str | Omit | None = OMIT
    mailto: str | Omit | None = OMIT
    one_click: bool | Omit | None = OMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Days in order."""

    data: list[UsageDay]


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageDay:
    """Counts of one UTC day by what was counted."""

    date: str
    counts: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionPage:
    """Versions, the newest first."""

    data: list[TemplateVersionView]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An endpoint."""

    id: str
    url: str
    events: list[str]
    description: str
    enabled: bool
    created_at: datetime
    disabled_reason: str | None = None
    disabled_at: datetime | None = None
    failing_since: datetime | None = None
    owner_told: Literal["due", "mailed", "not mailed"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookAttempt:
    """One try to tell an endpoint."""

    id: str
    event: str
    type: str
    at: datetime
    number: int
    outcome: str
    status: int | None
    elapsed_ms: int
    response: str
    next_try_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEvent:
    """An event as one endpoint knows it. `id` is what requests carry as `webhook-id`."""

    id: str
    type: str
    at: datetime
    state: Literal["cancelled", "delivered", "failed", "pending"]
    attempts: int
    next_try_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEventDetail:
    """The same with the JSON that is posted."""

    id: str
    type: str
    at: datetime
    state: Literal["cancelled", "delivered", "failed", "pending"]
    attempts: int
    next_try_at: datetime | None = None
    payload: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEventPage:
    """Events, newest first."""

    data: list[WebhookEvent]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookPage:
    """Endpoints, newest first."""

    data: list[Webhook]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceDetail:
    """The tenant this key belongs to."""

    id: str
    name: str
    status: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteRole:
    """A name for some permissions."""

    name: str
    permissions: list[str]
