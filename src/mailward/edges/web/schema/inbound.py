"""Routes of received mail, the messages, and what endpoints said."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from mailward.edges.web.schema.common import PageQuery, Request, View
from mailward.edges.web.schema.messages import Instant

Kind = Literal["exact", "plus", "wildcard", "regex", "catch_all"]
Format = Literal["mailward", "cloudmailin_json", "cloudmailin_multipart", "cloudmailin_raw"]
Mode = Literal["store", "in_session"]
OnScannerDown = Literal["defer", "accept"]
Where = Literal["inline", "store"]
Signature = Literal["hmac", "ed25519"]
State = Literal["received", "handed_over", "failed", "quarantined", "refused", "expired"]

Target = Annotated[
    str,
    Meta(
        min_length=10,
        max_length=2000,
        pattern=r"^https?://[^\s/?#\\]+([/?#][!-~]*)?$(?!\n)",
        description="An http or https address in ASCII. A user and password in it are sent as Authorization: Basic, "
        "and never shown again.",
        examples=["https://user:secret@example.com/inbound"],
    ),
]
Asked = Annotated[
    str,
    Meta(
        max_length=2000,
        pattern=r"^(https?://[!-~]+)?$(?!\n)",
        description="An http or https address, asked at RCPT, before any data, whether a recipient is wanted. Empty: "
        "nobody is asked.",
    ),
]
Pattern = Annotated[
    str,
    Meta(
        max_length=200,
        description="About the part before the @, without regard to case. `regex` is RE2's language and has to match "
        "all of it.",
        examples=["support", "order-*", r"ticket-\d+"],
    ),
]
Described = Annotated[str, Meta(max_length=200)]


class CreateRoute(Request):
    """Which addresses of a verified domain go to which endpoint, and how."""

    domain: Annotated[str, Meta(min_length=3, max_length=254, examples=["in.example.com"])]
    url: Target
    kind: Kind = "catch_all"
    pattern: Pattern = ""
    format: Format = "mailward"
    mode: Annotated[
        Mode,
        Meta(description="`store`: the sender is told 250 once it is on disk. `in_session`: the endpoint decides."),
    ] = "store"
    authorize_url: Asked = ""
    require_tls: Annotated[bool, Meta(description="Refuse mail for it that comes in the clear.")] = False
    on_scanner_down: OnScannerDown = "defer"
    attachments: Annotated[Where, Meta(description="`store`: signed URLs that expire instead of content.")] = "inline"
    signature: Signature = "hmac"
    description: Described = ""


class ChangeRoute(Request):
    """Only the fields given change."""

    url: Target | UnsetType = UNSET
    kind: Kind | UnsetType = UNSET
    pattern: Pattern | UnsetType = UNSET
    format: Format | UnsetType = UNSET
    mode: Mode | UnsetType = UNSET
    authorize_url: Asked | UnsetType = UNSET
    require_tls: bool | UnsetType = UNSET
    on_scanner_down: OnScannerDown | UnsetType = UNSET
    attachments: Where | UnsetType = UNSET
    signature: Signature | UnsetType = UNSET
    description: Described | UnsetType = UNSET
    enabled: (
        Annotated[bool, Meta(description="Turned off, it takes no mail, and what waits for it ends.")] | UnsetType
    ) = UNSET


class Route(View):
    """A route. URLs are shown without credentials; `with_credentials` says that there are some."""

    id: str
    domain: str
    kind: Kind
    pattern: str
    url: str
    with_credentials: bool
    format: Format
    mode: Mode
    authorize_url: str
    require_tls: bool
    on_scanner_down: OnScannerDown
    attachments: Where
    signature: Signature
    description: str
    enabled: bool
    created_at: Instant
    disabled_reason: str | None = None
    disabled_at: Instant | None = None
    failing_since: Annotated[
        Instant | None, Meta(description="When the first attempt failed after which none was taken.")
    ] = None


class NewRoute(Route):
    """A route with what is shown this once: the secret that signs and, for ed25519, the key that verifies."""

    secret: str = ""
    public_key: str | None = None


class RoutePage(View):
    """Routes, newest first."""

    data: list[Route]
    next_cursor: str | None = None


class Copy(View):
    """Where a message stands for one route."""

    route: str
    state: State
    attempts: int
    next_try_at: Instant | None = None


class ReceivedSummary(View, rename={"from_": "from"}):
    """One line of the list. `reason` says why it was refused or waits in quarantine."""

    id: str
    received_at: Instant
    mail_from: str
    recipients: list[str]
    from_: str
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


class ReceivedDetail(ReceivedSummary, rename={"from_": "from"}):
    """Everything that is known of a message beside its content."""

    to: str
    helo: str
    tls_cipher: str | None
    sha256: Annotated[str, Meta(description="Of the octets as they came: the same as of `/raw`.")]
    content_kept: bool
    authentication: dict[str, Any]
    scan_report: dict[str, Any]
    defects: list[str]
    processing_ms: float
    redacted: Annotated[tuple[str, ...], Meta(description="Fields that are not stored any more, or never were.")] = ()


class ReceivedPage(View):
    """Messages, newest first."""

    data: list[ReceivedSummary]
    next_cursor: str | None = None


class ReceivedQuery(PageQuery):
    """All messages, or those of a route, or with a copy of that state."""

    route: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^rte_[a-z0-9]+$(?!\n)")] | None = None
    state: State | None = None


class HandOverAttempt(View):
    """One try to hand a message over. `status` is null when there was no HTTP answer; then `response` says why."""

    id: str
    route: str
    at: Instant
    number: int
    outcome: str
    status: int | None
    elapsed_ms: int
    response: str
    next_try_at: Instant | None = None


class HandOverPage(View):
    """Tries, newest first."""

    data: list[HandOverAttempt]
    next_cursor: str | None = None


class ReplayMessage(Request):
    """To which route; without one, to each that the message has."""

    route: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^rte_[a-z0-9]+$(?!\n)")] | None = None


class Started(View):
    """How many copies start over."""

    copies: int


class ReplayRange(Request):
    """What a route received in a span of time. With no field: all that its endpoint never took and is still kept."""

    since: Instant | None = None
    until: Instant | None = None
    only: Literal["failed", "all"] = "failed"


class InboundReplay(View):
    """A replay and how far it is. Messages keep their ids, so a receiver can tell those it has seen."""

    id: str
    route: str
    since: Instant
    until: Instant
    only: Literal["failed", "all"]
    total: int
    waiting: int
    handed_over: int
    failed: Annotated[
        int,
        Meta(
            description="Those among them whose content or addresses are not stored any more were not posted; the "
            "attempts of each say so."
        ),
    ]
    finished: bool
    more: Annotated[bool, Meta(description="The bound of 10000 messages was reached: ask again for the rest.")]
