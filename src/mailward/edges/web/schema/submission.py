"""What the edge hands over once a request is understood, and what it gets back for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, TypeAlias

from mailward.base.errors import MailwardError
from mailward.edges.web.schema.messages import Accepted, DryRun


class Idempotency(NamedTuple):
    """The caller's Idempotency-Key and SHA-256 of workspace, path and body."""

    key: str
    body_hash: bytes


@dataclass(slots=True)
class Outgoing:
    """One message to submit: `content` is ready to be signed (headers, blank line, body; CRLF line ends).

    `mail_from` is the envelope sender the caller asked for, None for the default; recipients are bare
    addresses in RFC 5321 form, without duplicates. `domains` are those of From, Sender and Resent-*: each
    must be the workspace's own. `utf8_header`: only SMTPUTF8 carries it; `rewritten`: what was changed for its way;
    `files`: the names of what is attached, as far as they can be told cheaply; `size`: octets of a finished message as
    it was handed in, which is what the limit is about, else 0.
    """

    content: bytes = field(repr=False)
    recipients: Sequence[str] = field(repr=False)
    header_from: str = field(repr=False)
    message_id: str
    domains: tuple[str, ...] = ()
    mail_from: str | None = field(default=None, repr=False)
    to: str = field(default="", repr=False)
    subject: str = field(default="", repr=False)
    stream: str = "transactional"
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict, repr=False)
    scheduled_at: datetime | None = None
    test_mode: bool = False
    dry_run: bool = False
    idempotency: Idempotency | None = None
    utf8_header: bool = False
    rewritten: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    tracking: str = ""
    size: int = 0


class Given(NamedTuple):
    """An acceptance and whether it repeats an earlier answer."""

    accepted: Accepted
    replayed: bool = False


class Asked(NamedTuple):
    """What an answer repeats of its request: read again from that, for the store keeps no address for it."""

    recipients: Sequence[str]
    message_id: str


class Keyed(NamedTuple):
    """The key of a whole batch, and how to read what an item asked for."""

    key: Idempotency
    asked: Callable[[int], Asked]


Outcome: TypeAlias = Given | DryRun | MailwardError
