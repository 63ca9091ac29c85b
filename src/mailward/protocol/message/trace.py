"""The trace of a received message: its Received line, and what the lines it came with say (RFC 5321 section 4.4)."""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

from mailward.protocol.message import fields, headers, words
from mailward.protocol.message.headers import Parsed

_UNSAFE = re.compile(r"[^A-Za-z0-9_.:\[\]@+=/~-]")


class Heading(NamedTuple):
    """What is shown of a message in lists: decoded, cut to 1,000 characters. `hops` counts its Received lines.

    `automatic`: it says itself that no person wrote it (RFC 3834 section 5).
    """

    header_from: str
    to: str
    subject: str
    message_id: str
    hops: int
    automatic: bool
    eight_bit: bool


def heading(parsed: Parsed) -> Heading:
    """The heading of a message from its split header. Never raises."""
    automatic = headers.first_value(parsed, b"auto-submitted")
    return Heading(
        _shown(parsed, b"from"),
        _shown(parsed, b"to"),
        _shown(parsed, b"subject"),
        _shown(parsed, b"message-id")[:250],
        sum(name == b"received" for name, _ in parsed.fields),
        automatic is not None and automatic.split(b";")[0].strip().lower() not in (b"", b"no"),
        any(not raw.isascii() for _, raw in parsed.fields),
    )


def _shown(parsed: Parsed, name: bytes) -> str:
    raw = headers.first_value(parsed, name)
    return "" if raw is None else words.decode(raw)[:1000]


def received(
    *,
    helo: str,
    ip: str,
    rdns: str,
    hostname: str,
    tls: tuple[str, str],
    smtputf8: bool,
    extended: bool = True,
    queue_id: str,
    recipient: str,
    now: datetime,
) -> str:
    """Our Received field, folded, CRLF-ended. `recipient` is "" when there are several: that is not for all to read.

    `extended`: the session began with EHLO. What the client said of itself is written only in characters that cannot
    end a comment or a line.
    """
    literal = f"IPv6:{ip}" if ":" in ip else ip
    who = f"{_safe(rdns)} [{literal}]" if rdns else f"[{literal}]"
    protocol = ("UTF8SMTP" if smtputf8 else "ESMTP") + ("S" if tls[0] else "")  # RFC 3848, RFC 6531
    if not extended:
        protocol = "SMTP"
    with_tls = f"\r\n\t(using {_safe(tls[0])} with cipher {_safe(tls[1])})" if tls[0] else ""
    for_whom = f"\r\n\tfor <{recipient}>" if recipient and recipient.isascii() and len(recipient) < 200 else ""
    return (
        f"Received: from {_safe(helo)} ({who}){with_tls}\r\n"
        f"\tby {hostname} with {protocol} id {queue_id}{for_whom};\r\n\t{fields.date(now)}\r\n"
    )


def _safe(text: str) -> str:
    return _UNSAFE.sub("_", text)[:255] or "unknown"
