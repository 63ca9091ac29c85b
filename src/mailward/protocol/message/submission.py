"""A message as a client handed it in, made ready to be signed: checked, Bcc taken out, what is missing put in.

Lines too long for SMTP are rewritten here (`transport`), because what is signed has to be what is sent.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

from mailward.base.errors import Invalid
from mailward.base.sources import Entropy
from mailward.protocol.message import directives, fields, headers, mailbox, transport, words
from mailward.protocol.message.directives import Directives
from mailward.protocol.message.headers import Parsed
from mailward.protocol.message.mailbox import Originators
from mailward.protocol.message.templated import OURS

# RFC 5322 section 3.6: at most once each. Two of them, and each reader picks another.
_ONCE = frozenset(
    (
        b"from", b"sender", b"reply-to", b"to", b"cc", b"message-id", b"in-reply-to", b"references", b"subject",
        b"date", b"mime-version", b"content-type", b"content-transfer-encoding", b"content-disposition", b"content-id",
        b"list-unsubscribe", b"list-unsubscribe-post",
    )
)  # fmt: skip
# Return-Path belongs to the receiving side; Bcc is for the envelope.
_REMOVED = frozenset((b"bcc", b"resent-bcc", b"return-path")) | OURS
_MESSAGE_ID = re.compile(rb"<[^<>\s\x00-\x20\x7f]{1,990}>")
_CFWS = rb"[ \t]|\((?:[^()\\]|\\.|\((?:[^()\\]|\\.)*\))*\)"
_WAY_OUT = re.compile(r"<\s*(?:https?://[^\s<>/]|mailto:[^\s<>@]+@)[^<>]*>", re.IGNORECASE)

MAX_RECEIVED = 50


class Prepared(NamedTuple):
    """`content` and its `parsed` header as they will be signed, and what was read on the way.

    `subject`, `to`: decoded for display, cut to 1,000 characters. `eight_bit`: the body holds 8-bit bytes;
    `utf8_header`: the header does (SMTPUTF8 needed); `received`: how many relays it passed before us;
    `rewritten`: what was changed because a line was too long, for people, mostly nothing. `templated`: its header
    names a template, so it is not yet what is meant. `directives`: what its header said to the platform.
    """

    content: bytes
    parsed: Parsed
    originators: Originators
    subject: str
    to: str
    message_id: str
    eight_bit: bool
    utf8_header: bool
    received: int
    rewritten: tuple[str, ...] = ()
    templated: bool = False
    directives: Directives = directives.NONE


def for_submission(
    content: bytes,
    *,
    now: datetime,
    entropy: Entropy,
    hostname: str,
    protocol: str = "ESMTPSA",
    queue_id: str = "",
    canonical: bool = False,
) -> Prepared:
    """Prepare one submitted message. The client's address is not written into it.

    `canonical`: the SMTP server has refused every bare CR and LF already.

    Raises Invalid: those of `headers.split` and `mailbox.originators`, `header_duplicate`, `bare_newline`,
    `nul_byte`, `mail_loop` (RFC 5321 section 6.3), `message_id_invalid`, and those of `directives.read` and
    `transport.shorten`.
    """
    if b"\0" in content:
        raise Invalid("nul_byte", "The message holds a NUL byte.", field="content")
    if not canonical and headers.has_bare_newline(content):
        raise Invalid("bare_newline", "The message holds a CR or LF on its own.", field="content")
    if content[-2:] != b"\r\n":
        # A file may end so; by SMTP nothing does. DATA to the next hop ends the line anyway (RFC 5321 section 4.1.1.4).
        content += b"\r\n"
    rewritten: tuple[str, ...] = ()
    if headers.has_long_line(content):
        content, rewritten = transport.shorten(content)
    given = headers.admit(headers.split(content))
    if not given.fields:
        raise Invalid("from_missing", "The message has no header.", field="from")
    seen: dict[bytes, bytes] = {}
    received = 0
    asks = False
    to_us = []
    kept = []
    for field in given.fields:
        name = field[0]
        if name in _REMOVED:
            asks = asks or name in OURS
            continue
        if name.startswith(directives.PREFIX) and directives.is_one(name):
            to_us.append(field)
            continue
        if name in seen:
            if name in _ONCE:
                _refuse_duplicate(name)
        else:
            seen[name] = field[1]
        if name == b"received":
            received += 1
        kept.append(field)
    if received > MAX_RECEIVED:
        raise Invalid("mail_loop", f"The message passed more than {MAX_RECEIVED} relays.", field="received")
    who = mailbox.originators(given)

    stamp = fields.date(now)
    trace = _received(hostname, protocol, queue_id, stamp)
    added = [(b"received", trace)]
    raw_id = seen.get(b"message-id")
    if raw_id is None:
        message_id = f"<{entropy.bytes(16).hex()}@{who.author.domain}>"
        kept.append((b"message-id", f"Message-ID: {message_id}\r\n".encode("ascii")))
    else:
        message_id = _message_id(raw_id)
    if b"date" not in seen:
        kept.append((b"date", f"Date: {stamp}\r\n".encode("ascii")))
    kept[:0] = added
    header = b"".join([raw for _, raw in kept])
    body = memoryview(content)[given.body_offset :]
    out = b"".join((header, b"\r\n", body))
    utf8_header = not header.isascii()
    return Prepared(
        out,
        Parsed(kept, len(header) + 2),
        who,
        _shown(seen.get(b"subject")),
        _shown(seen.get(b"to")),
        message_id,
        eight_bit=not content.isascii() and not content[given.body_offset :].isascii(),
        utf8_header=utf8_header,
        received=received,
        rewritten=rewritten,
        templated=asks,
        directives=directives.read(to_us) if to_us else directives.NONE,
    )


def require_way_out(parsed: Parsed) -> None:
    """A broadcast names where its recipients unsubscribe. Raises Invalid `unsubscribe_required`."""
    if not any(
        way_out(headers.value(raw).decode("utf-8", "replace")) for raw in headers.find(parsed, b"list-unsubscribe")
    ):
        raise Invalid(
            "unsubscribe_required",
            "A broadcast needs a List-Unsubscribe field with an https or mailto address in angle brackets.",
            field="list-unsubscribe",
        )


def way_out(text: str) -> bool:
    """Whether a List-Unsubscribe field says how: at least one web or mail address in angle brackets (RFC 2369)."""
    return _WAY_OUT.search(text) is not None


def _refuse_duplicate(name: bytes) -> None:
    text = name.decode("ascii")
    code = "from_multiple_fields" if text == "from" else "header_duplicate"
    raise Invalid(code, f"The message has more than one {text.title()} field.", field=text)


def _received(hostname: str, protocol: str, queue_id: str, stamp: str) -> bytes:
    queue = f" id {queue_id}" if queue_id else ""
    return f"Received: by {hostname} with {protocol}{queue};\r\n {stamp}\r\n".encode("ascii")


def _message_id(raw: bytes) -> str:
    found = headers.value(raw)
    if b"(" in found:  # RFC 5322 section 3.6.4: comments may stand on both sides
        outside = re.fullmatch(rb"(?:%b)*(<[^<>]*>)(?:%b)*" % (_CFWS, _CFWS), found)
        found = outside[1] if outside else found
    if not _MESSAGE_ID.fullmatch(found):
        raise Invalid("message_id_invalid", "The Message-ID field does not hold one id.", field="message-id")
    return found.decode("utf-8", "replace")


def _shown(raw: bytes | None) -> str:
    return "" if raw is None else words.decode(headers.value(raw))[:1000]
