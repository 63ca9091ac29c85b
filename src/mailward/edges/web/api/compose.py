"""From a request to a message ready to be signed: addresses parsed strictly, limits applied, bytes built."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from typing import NoReturn

from mailward.base.errors import Invalid, TooLarge
from mailward.base.sources import Entropy
from mailward.edges.web.api.messages import check_schedule
from mailward.edges.web.limits import MB
from mailward.edges.web.schema import messages as types
from mailward.edges.web.schema.submission import Asked, Idempotency, Outgoing
from mailward.protocol.message import attached, build, fields, headers, mailbox, submission
from mailward.protocol.message.draft import Attachment, Draft, ListUnsubscribe
from mailward.protocol.message.mailbox import Mailbox
from mailward.protocol.smtp.address import names_another

ATTACHMENT_BYTES = 25 * MB
_CODE = "invalid_address"
_RECIPIENTS = [b"to", b"cc", b"bcc"]
# A group without members, as in "undisclosed-recipients:;" (RFC 5322 section 3.4).
_NOBODY = re.compile(rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~. -]+:[ \t]*;")


class Derived:
    """Bytes that follow from an idempotent request: asked again, it gets the same Message-ID in the same answer."""

    __slots__ = ("_n", "_seed")

    def __init__(self, key: Idempotency) -> None:
        self._seed = key.body_hash + key.key.encode()
        self._n = 0

    def bytes(self, n: int) -> bytes:
        """The next `n` (up to 32) bytes."""
        self._n += 1
        return hashlib.sha256(b"%d\0" % self._n + self._seed).digest()[:n]


def compose(request: types.SendRequest, now: datetime, entropy: Entropy, key: Idempotency | None) -> Outgoing:
    """The message of a request. Raises Invalid with the field that is wrong."""
    if key is not None:
        entropy = Derived(key)
    author = one(request.from_, "from")
    _one_destination(author, "from")
    to = mailboxes(request.to, "to")
    cc = mailboxes(request.cc, "cc") if request.cc else []
    bcc = mailboxes(request.bcc, "bcc") if request.bcc else []
    reply_to = mailboxes(request.reply_to, "reply_to") if request.reply_to else []
    recipients = envelope([*to, *cc, *bcc] if cc or bcc else to)
    scheduled_at = check_schedule(request.scheduled_at, now)
    message_id = _message_id(author, entropy)
    draft = Draft(
        author,
        to,
        message_id,
        now if scheduled_at is None else scheduled_at.astimezone(UTC),
        subject=request.subject,
        text=request.text,
        html=request.html,
        cc=cc,
        reply_to=reply_to,
        attachments=_attachments(request) if request.attachments else (),
        headers=list(request.headers.items()) if request.headers else (),
        list_unsubscribe=_list_unsubscribe(request),
    )
    built = build.build(draft, entropy)
    return Outgoing(
        content=built.content,
        recipients=recipients,
        header_from=author.address,
        domains=(author.domain,),
        message_id=message_id,
        to=to[0].address if to else "",
        subject=request.subject,
        stream=request.stream,
        tags=tuple(request.tags),
        metadata=request.metadata,
        scheduled_at=scheduled_at,
        test_mode=request.test_mode,
        dry_run=request.dry_run,
        idempotency=key,
        utf8_header=built.needs_smtputf8,
        files=tuple(part.filename for part in request.attachments) if request.attachments else (),
        tracking=request.tracking or "",
    )


def asked(request: types.SendRequest, key: Idempotency) -> Asked:
    """Whom a request was to reach, and the Message-ID that `compose` made under its key."""
    author = one(request.from_, "from")
    several = [mailboxes(given, name) for name, given in (("to", request.to), ("cc", request.cc), ("bcc", request.bcc))
               if given]  # fmt: skip
    return Asked(envelope([box for boxes in several for box in boxes]), _message_id(author, Derived(key)))


def _message_id(author: Mailbox, entropy: Entropy) -> str:
    return f"<{entropy.bytes(16).hex()}@{author.domain}>"


def one(given: str, field: str) -> Mailbox:
    """The one mailbox that is written there. Raises Invalid with `field`."""
    found = mailbox.parse_one(given, code=_CODE, field=field)
    _check(given, field)
    return found


def _check(given: str, field: str) -> None:
    """A name that hides a line break is refused, though it would be written without it: nobody means one."""
    if "=?" in given or not given.isprintable():
        fields.check(given.replace("\t", " "), field)


def mailboxes(given: str | list[str | types.Address], field: str) -> list[Mailbox]:
    """The mailboxes of a field: one string of addresses, or a list of strings and {email, name}."""
    if isinstance(given, str):
        try:
            several = mailbox.parse_list(given, code=_CODE)
        except Invalid as error:
            error.field = field
            raise
        _check(given, field)
        return several
    found = []
    for index, item in enumerate(given):
        if isinstance(item, str):
            found.append(one(item, f"{field}[{index}]"))
        else:
            bare = one(item.email, f"{field}[{index}].email")
            if bare.name:
                _refuse_name(f"{field}[{index}].email")
            found.append(bare._replace(name=item.name))
    return found


def _refuse_name(field: str) -> NoReturn:
    raise Invalid(_CODE, "Give the bare address here and the name in 'name'.", field=field)


def envelope(boxes: list[Mailbox]) -> list[str]:
    """Each address once, in order. Raises Invalid for none, for more than 50, and for what SMTP refuses in RCPT."""
    recipients = list(dict.fromkeys([box.address for box in boxes]))
    if not recipients:
        raise Invalid("no_recipients", "Give at least one recipient in to, cc or bcc.", field="to")
    if len(recipients) > types.MAX_RECIPIENTS:
        raise Invalid(
            "too_many_recipients",
            f"A message may have {types.MAX_RECIPIENTS} recipients over to, cc and bcc.",
            field="to",
        )
    for box in boxes:
        _one_destination(box, "to")
    return recipients


def _one_destination(box: Mailbox, field: str) -> None:
    """What SMTP refuses in MAIL and RCPT is refused here."""
    if names_another(box.local):
        why = f"The address {box.address[:100]} names a second destination before its @ (% or !)."
        raise Invalid(_CODE, why, field=field)


def _list_unsubscribe(request: types.SendRequest) -> ListUnsubscribe | None:
    given = request.list_unsubscribe
    if given is not None:
        one_click = given.url is not None if given.one_click is None else given.one_click
        return ListUnsubscribe(given.url, given.mailto, one_click)
    if request.stream == "broadcast" and not any(
        name.lower() == "list-unsubscribe" and submission.way_out(text) for name, text in request.headers.items()
    ):
        # RFC 8058, and since 2024 a condition of the large mailbox providers for bulk mail.
        raise Invalid("unsubscribe_required", "A broadcast needs list_unsubscribe.", field="list_unsubscribe")
    return None


def _attachments(request: types.SendRequest) -> list[Attachment]:
    if sum(len(part.content) for part in request.attachments) > ATTACHMENT_BYTES:
        raise TooLarge("attachment_too_large", "The attachments of a message together may have 25 MB.")
    return [
        Attachment(part.filename, part.content, part.content_type, part.content_id, part.content_id is not None)
        for part in request.attachments
    ]


def compose_raw(
    request: types.RawRequest, now: datetime, entropy: Entropy, key: Idempotency | None, hostname: str
) -> Outgoing:
    """A finished message with the envelope given, or with the one its header names.

    Raises Invalid as `protocol.message.submission` does. A message whose lines all end with
    a bare LF, as files on Unix do, is given CRLF; a mixture is refused.
    """
    if key is not None:
        entropy = Derived(key)
    content = _canonical(request.raw)
    mail_from = None
    if request.from_:
        sender = one(request.from_, "from")
        _one_destination(sender, "from")
        mail_from = sender.address
    ready = submission.for_submission(content, now=now, entropy=entropy, hostname=hostname, protocol="HTTP")
    named = _destinations(request, content)
    said = ready.directives
    stream = said.stream if request.stream == "transactional" and said.stream else request.stream
    if stream == "broadcast":
        submission.require_way_out(ready.parsed)
    author = ready.originators.author
    return Outgoing(
        content=ready.content,
        recipients=envelope(named),
        header_from=author.address,
        domains=tuple(ready.originators.domains()),
        message_id=ready.message_id,
        mail_from=mail_from,
        to=ready.to,
        subject=ready.subject,
        stream=stream,
        tags=tuple(request.tags) or said.tags,
        metadata=request.metadata or dict(said.metadata),
        scheduled_at=check_schedule(request.scheduled_at, now),
        test_mode=request.test_mode or said.test_mode,
        dry_run=request.dry_run,
        idempotency=key,
        utf8_header=ready.utf8_header,
        rewritten=ready.rewritten,
        files=attached.names(ready.content, ready.parsed),
        tracking=request.tracking or said.tracking,
        size=len(content),
    )


def asked_raw(request: types.RawRequest, now: datetime, key: Idempotency, hostname: str) -> Asked:
    """Whom a finished message was to reach, and its Message-ID, or the one that `compose_raw` gave it under its key."""
    content = _canonical(request.raw)
    ready = submission.for_submission(content, now=now, entropy=Derived(key), hostname=hostname, protocol="HTTP")
    return Asked(envelope(_destinations(request, content)), ready.message_id)


def _canonical(raw: bytes) -> bytes:
    return raw if b"\r" in raw else raw.replace(b"\n", b"\r\n")


def _destinations(request: types.RawRequest, content: bytes) -> list[Mailbox]:
    if request.to:
        return [one(item, f"to[{i}]") for i, item in enumerate(request.to)]
    return _named_in(content)


def _named_in(content: bytes) -> list[Mailbox]:
    """The recipients a header names: those it was resent to, where it was (RFC 5322 section 3.6.6)."""
    given = headers.split(content).fields
    resent = any(name.startswith(b"resent-") for name, _ in given)
    wanted = [b"resent-" + name for name in _RECIPIENTS] if resent else _RECIPIENTS
    found: dict[bytes, list[Mailbox]] = {}
    for name, raw in given:
        if name not in wanted:
            continue
        field = name.decode("ascii")
        if resent and name in found:
            raise Invalid("header_duplicate", "The message was resent more than once: name its recipients.", field="to")
        value = headers.value(raw)
        try:
            boxes = [] if _NOBODY.fullmatch(value) else mailbox.parse_list(value, code=_CODE)
        except Invalid as error:
            error.field = field
            raise
        found[name] = found.get(name, []) + boxes
    return [box for boxes in found.values() for box in boxes]
