# ruff: noqa: RUF012 - msgspec copies an empty default for each instance
"""Messages: what is sent, and what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from mailward.edges.web.schema.common import Cursor, Limit, Problem, Request, View

MAX_RECIPIENTS = 50
MAX_BATCH = 500

Instant = Annotated[datetime, Meta(tz=True, description="RFC 3339 with an offset.", examples=["2030-01-01T12:00:00Z"])]
Mailbox = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=1000,
        description='`ada@example.com` or `"Ada L." <ada@example.com>`.',
        examples=["Ada Lovelace <ada@example.com>"],
    ),
]
Word = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=r"^[A-Za-z0-9_.:-]+$(?!\n)",
        description="ASCII letters, digits and `_ . : -`.",
    ),
]
MediaType = Annotated[
    str,
    Meta(
        max_length=255,
        pattern=r"^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+"
        r"( *; *[A-Za-z0-9!#$&^_.+-]+=([A-Za-z0-9!#$&'^_.+:/-]+|\"[ !#-:<-\[\]-~]*\"))*$(?!\n)",
        examples=["application/pdf", "text/calendar; method=REQUEST; charset=utf-8"],
        description="Type and subtype, and parameters if it has any. Text in UTF-8 is said to be that.",
    ),
]
TemplateName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$(?!\n)",
        examples=["welcome"],
        description="Small ASCII letters, digits and inner hyphens.",
    ),
]
TemplateVersion = Annotated[int, Meta(ge=1, le=1000)]
Status = Literal[
    "queued",
    "sending",
    "held",
    "delivered",
    "partly",
    "bounced",
    "suppressed",
    "cancelled",
    "expired",
    "discarded",
    "scheduled",
]


class Address(Request):
    """A mailbox in two parts."""

    email: Annotated[str, Meta(min_length=3, max_length=320)]
    name: Annotated[str, Meta(max_length=500)] = ""


Mailboxes = (
    Annotated[
        str,
        Meta(
            min_length=3,
            max_length=1000 * MAX_RECIPIENTS,
            description="One mailbox, or several with commas between them.",
            examples=["Ada Lovelace <ada@example.com>"],
        ),
    ]
    | Annotated[list[Mailbox | Address], Meta(max_length=MAX_RECIPIENTS)]
)


class Attachment(Request):
    """A file, or with `content_id` a part the HTML refers to as `cid:`."""

    filename: Annotated[str, Meta(min_length=1, max_length=255)]
    content: Annotated[bytes, Meta(description="Base64 without line breaks.", examples=["aGVsbG8="])]
    content_type: MediaType = "application/octet-stream"
    content_id: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=200,
            pattern=r"^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.@-]+$(?!\n)",
            description="ASCII, without angle brackets and blanks.",
        ),
    ] | (None) = None


Tracking = Annotated[
    Literal["off", "opens", "clicks", "both"],
    Meta(description="What is tracked of this message, whatever its stream, domain and workspace say."),
]


class Unsubscribe(Request):
    """Where a recipient unsubscribes; broadcasts need it. With `one_click` the URL takes a POST (RFC 8058), which large
    mailbox providers ask of bulk mail."""

    url: (
        Annotated[str, Meta(min_length=10, max_length=900, pattern="^https://", description="An https address.")] | None
    ) = None
    mailto: (
        Annotated[str, Meta(min_length=8, max_length=900, pattern="^mailto:", description="A mailto address.")] | None
    ) = None
    one_click: Annotated[bool | None, Meta(description="Left out: when there is a `url`.")] = None


class SendRequest(Request, rename={"from_": "from"}):
    """One message. At least one recipient, and a text or an HTML part, or a template, are needed."""

    from_: Mailbox
    to: Mailboxes = []
    cc: Mailboxes = []
    bcc: Mailboxes = []
    reply_to: Mailboxes = []
    subject: Annotated[str, Meta(max_length=998)] = ""
    text: str | None = None
    html: str | None = None
    template: Annotated[
        TemplateName | None, Meta(description="A published template, instead of subject, text and html.")
    ] = None
    template_version: Annotated[
        TemplateVersion | None, Meta(description="One of its published versions; otherwise the current one.")
    ] = None
    data: Annotated[
        dict[str, Any],
        Meta(description="What the template is filled with; in a batch each message has its own. 256 KiB of JSON."),
    ] = {}
    headers: Annotated[dict[str, str], Meta(max_length=50, examples=[{"X-Campaign": "spring"}])] = {}
    attachments: Annotated[list[Attachment], Meta(max_length=100)] = []
    tags: Annotated[list[Word], Meta(max_length=10, examples=[["welcome"]])] = []
    metadata: Annotated[
        dict[Annotated[str, Meta(min_length=1, max_length=64)], Annotated[str, Meta(max_length=500)]],
        Meta(max_length=50),
    ] = {}
    stream: Literal["transactional", "broadcast"] = "transactional"
    list_unsubscribe: Unsubscribe | None = None
    scheduled_at: Instant | None = None
    test_mode: Annotated[bool, Meta(description="Everything runs but the last hop.")] = False
    dry_run: Annotated[bool, Meta(description="Nothing is kept or sent; the answer says what would be, and why.")] = (
        False
    )
    tracking: Tracking | None = None


class BatchRequest(Request):
    """Up to 500 messages. Each has its own result; with `atomic` one refusal refuses all."""

    messages: Annotated[list[SendRequest], Meta(min_length=1, max_length=MAX_BATCH)]
    atomic: bool = False


class RawRequest(Request, rename={"from_": "from"}):
    """A finished RFC 5322 message and its envelope."""

    raw: Annotated[bytes, Meta(min_length=1, description="The message in base64.")]
    from_: Mailbox | None = None
    to: Annotated[list[Mailbox], Meta(max_length=MAX_RECIPIENTS)] = []
    tags: Annotated[list[Word], Meta(max_length=10)] = []
    metadata: Annotated[
        dict[Annotated[str, Meta(min_length=1, max_length=64)], Annotated[str, Meta(max_length=500)]],
        Meta(max_length=50),
    ] = {}
    stream: Literal["transactional", "broadcast"] = "transactional"
    scheduled_at: Instant | None = None
    test_mode: bool = False
    dry_run: bool = False
    tracking: Tracking | None = None


class AcceptedDelivery(View):
    """One recipient's copy."""

    id: str
    recipient: str
    status: Status


class Accepted(View):
    """The message is on disk: losing it from here on is our fault."""

    id: Annotated[str, Meta(examples=["msg_01jd2s8k3xq4v6w8y0z1a2b3c4"])]
    message_id: Annotated[str, Meta(description="The Message-ID header.")]
    status: Status
    deliveries: list[AcceptedDelivery]


class DryRunRecipient(View):
    """What would happen to one recipient's copy."""

    recipient: str
    status: str
    reason: str = ""


class DryRun(View):
    """What would have been sent, and why it would be sent or held. What would be refused is refused."""

    dry_run: bool
    would: Literal["queue", "hold", "schedule"]
    reasons: list[str]
    message_id: str
    size: int
    recipients: list[DryRunRecipient]
    headers: list[str]


class BatchItem(View, omit_defaults=True):
    """One message of a batch: accepted, tried, or refused."""

    index: int
    accepted: Accepted | UnsetType = UNSET
    dry_run: DryRun | UnsetType = UNSET
    error: Problem | UnsetType = UNSET


class BatchResult(View):
    """Results in the order of the request."""

    accepted: int
    refused: int
    results: list[BatchItem]


class MessageQuery(Request, rename={"from_": "from"}):
    """Filters are joined by "and"; all but the cursor may be combined."""

    limit: Limit = 25
    cursor: Cursor | None = None
    status: Status | None = None
    tag: Word | None = None
    to: Annotated[str, Meta(min_length=3, max_length=320, description="Exact recipient.")] | None = None
    from_: Annotated[str, Meta(min_length=3, max_length=320, description="Exact sender.")] | None = None
    subject: Annotated[str, Meta(min_length=1, max_length=100, description="A word of the subject.")] | None = None
    message_id: Annotated[str, Meta(min_length=3, max_length=320, description="Exact Message-ID.")] | None = None
    stream: Literal["transactional", "broadcast"] | None = None
    since: Instant | None = None
    until: Instant | None = None


class MessageSummary(View, rename={"from_": "from"}):
    """One line of a list."""

    id: str
    message_id: str
    status: Status
    from_: str
    to: str
    subject: str
    stream: str
    tags: list[str]
    size: int
    recipients: int
    test_mode: bool
    created_at: Instant
    scheduled_at: Instant | None = None


class MessagePage(View):
    """Newest first."""

    data: list[MessageSummary]
    next_cursor: str | None = None


class Delivery(View):
    """One recipient's copy and where it stands."""

    id: str
    recipient: str
    status: Status
    attempts: int
    updated_at: Instant
    next_try_at: Instant | None = None
    reason: str | None = None


class MessageDetail(MessageSummary, rename={"from_": "from"}):
    """A message with its deliveries."""

    source: str = ""
    metadata: dict[str, str] = {}
    deliveries: list[Delivery] = []
    content_gone_at: Annotated[Instant | None, Meta(description="Since when the content is no longer kept.")] = None
    redacted: Annotated[
        list[str],
        Meta(description="Fields that are not stored any more, or never were: they read `[redacted]`."),
    ] = []


class Event(View):
    """Something that happened to a message."""

    id: str
    type: str
    at: Instant
    message: str
    recipient: str | None = None
    facts: dict[str, str] = {}


class EventPage(View):
    """Events in order."""

    data: list[Event]
    next_cursor: str | None = None


class DialogueLine(View):
    """One line of an SMTP dialogue, content left out; `at_ms` since the attempt began."""

    at_ms: int
    side: str
    line: str


class Attempt(View):
    """One try, explained."""

    number: int
    at: Instant
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
    next_try_at: Instant | None = None
    rewritten: list[str] = []


class ExplainedDelivery(View):
    """One recipient's copy with every attempt. `meaning` is the reason as a sentence.

    A copy may wait without an attempt: for its time, or for its turn at a destination that takes mail slowly.
    """

    id: str
    recipient: str
    status: Status
    reason: str | None
    attempts: list[Attempt]
    meaning: str = ""
    next_try_at: Instant | None = None


class Explanation(View):
    """Why the message is where it is."""

    id: str
    status: Status
    summary: str
    deliveries: list[ExplainedDelivery]


class ContentAttachment(View):
    """A file in a message; the name is made safe, the bytes are in the raw message."""

    filename: str
    content_type: str
    size: int
    content_id: str | None = None


class Content(View):
    """A message for reading: sanitised, without remote content."""

    subject: str
    text: str
    html: str
    attachments: list[ContentAttachment]
    defects: list[str] = []


Stream = Literal["transactional", "broadcast"]


class Pause(View):
    """New mail of a stream, or of every stream (null), is accepted and held."""

    stream: Stream | None
    since: Instant
    reason: str


class Sending(View):
    """What is paused; with an empty list mail flows. `held`: some message is held and waits to be released."""

    paused: list[Pause]
    held: bool


class PauseSending(Request):
    """Which stream to pause, or all of them."""

    stream: Stream | None = None
    reason: Annotated[str, Meta(max_length=200, description="For whoever wonders; it is in the audit log.")] = ""


class ResumeSending(Request):
    """Which pause to end. What is held stays held until it is released."""

    stream: Stream | None = None


class ReleaseHeld(Request):
    """Which held messages to send: those of one stream, or all."""

    stream: Literal["transactional", "broadcast"] | None = None


class Released(View):
    """How many messages were released; `more` when some are still held: ask again."""

    released: int
    more: bool


class Reschedule(Request):
    """When to send instead: up to 30 days ahead."""

    scheduled_at: Instant
