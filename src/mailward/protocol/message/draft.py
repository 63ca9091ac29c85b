"""What a caller asks us to build: the nouns of `build`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from mailward.protocol.message.mailbox import Mailbox


@dataclass(slots=True)
class Attachment:
    """A file. `content_id` without angle brackets; `inline` puts it beside the HTML that shows it by `cid:`."""

    filename: str
    content: bytes = field(repr=False)
    content_type: str = "application/octet-stream"
    content_id: str | None = None
    inline: bool = False


@dataclass(slots=True)
class ListUnsubscribe:
    """Where a recipient unsubscribes: an https URL, a mailto URI, or both. `one_click` (RFC 8058) needs the URL."""

    url: str | None = None
    mailto: str | None = None
    one_click: bool = False


@dataclass(slots=True)
class Draft:
    """A message to build. `message_id` with its angle brackets; Bcc is envelope only and so has no place here."""

    author: Mailbox
    to: Sequence[Mailbox]
    message_id: str
    date: datetime
    subject: str | None = None
    text: str | None = field(default=None, repr=False)
    html: str | None = field(default=None, repr=False)
    cc: Sequence[Mailbox] = ()
    reply_to: Sequence[Mailbox] = ()
    attachments: Sequence[Attachment] = ()
    headers: Sequence[tuple[str, str]] = ()
    list_unsubscribe: ListUnsubscribe | None = None
    feedback_id: str | None = None
