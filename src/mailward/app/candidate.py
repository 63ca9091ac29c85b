"""A message that wants to be accepted, whichever door it came through, and what the API hands in as one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from mailward.core.submission.model import Idempotency
from mailward.edges.web.schema.submission import Idempotency as Given
from mailward.edges.web.schema.submission import Outgoing
from mailward.protocol.message.mailbox import ascii_domain


@dataclass(slots=True)
class Candidate:
    """A message that wants to be accepted: its bytes, its envelope, and what its header says.

    `domains` are those of From, Sender and Resent-*; each must be the workspace's own.
    `due` is microseconds UTC, 0 for at once. `content` ends its lines with CRLF.
    `tracking` is what the message itself says of it, "" for nothing. `size`: octets as they were handed in, which is
    what limits are about, where that was less than `content`; else 0.
    """

    content: bytes = field(repr=False)
    mail_from: str
    recipients: list[tuple[str, str | None]] = field(repr=False)
    header_from: str = field(repr=False)
    from_domain: str
    domains: tuple[str, ...]
    to: str = field(repr=False)
    subject: str = field(repr=False)
    message_id: str
    source: str
    stream: str = "transactional"
    tags: tuple[str, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict, repr=False)
    due: int = 0
    test_mode: bool = False
    idempotency: Idempotency | None = None
    tls: str = ""
    smtputf8: bool = False
    requiretls: bool = False
    ret: str = ""
    envid: str = ""
    files: tuple[str, ...] = ()
    rewritten: tuple[str, ...] = ()
    tracking: str = ""
    size: int = 0


def from_api(item: Outgoing) -> Candidate:
    """What the API composed, as the candidate it is."""
    from_address = (
        item.header_from[item.header_from.rindex("<") + 1 : -1]
        if item.header_from.endswith(">")
        else (item.header_from)
    )
    domain = a_label(from_address.rpartition("@")[2])
    idempotency = None
    due = int(item.scheduled_at.timestamp() * 1e6) if item.scheduled_at is not None else 0
    if item.idempotency is not None:
        idempotency = claimed(item.idempotency)
    return Candidate(
        content=item.content,
        mail_from=item.mail_from if item.mail_from is not None else from_address,
        recipients=[(r, None) for r in item.recipients],
        header_from=item.header_from,
        from_domain=domain,
        domains=item.domains or (domain,),
        to=item.to,
        subject=item.subject,
        message_id=item.message_id,
        source="api",
        stream=item.stream,
        tags=item.tags,
        metadata=item.metadata,
        due=due,
        test_mode=item.test_mode,
        idempotency=idempotency,
        smtputf8=item.utf8_header,
        rewritten=item.rewritten,
        files=item.files,
        tracking=item.tracking,
        size=item.size,
    )


def claimed(key: Given) -> Idempotency:
    """A caller's key as the store knows it."""
    return Idempotency(hashlib.sha256(key.key.encode()).digest(), key.body_hash, 0)


def a_label(domain: str) -> str:
    """Domains are compared in A-labels; one that has none is compared as it is, and matches nothing."""
    try:
        return ascii_domain(domain)
    except ValueError:
        return domain.lower()
