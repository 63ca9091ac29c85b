"""From a draft to bytes ready to be signed: own encoder, then read again before anyone trusts it."""

from __future__ import annotations

import re
from typing import NamedTuple

from mailward.base.errors import Corrupt, Invalid
from mailward.base.sources import Entropy
from mailward.protocol.message import custom, fields, headers, mailbox, parts
from mailward.protocol.message.draft import Attachment, Draft, ListUnsubscribe
from mailward.protocol.message.headers import Parsed
from mailward.protocol.message.mailbox import Mailbox
from mailward.protocol.message.parts import Entity

_MESSAGE_ID = re.compile(r"<[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,200}@[A-Za-z0-9.-]{1,253}>")
_URI = re.compile(r"(?:https?://|mailto:)[!#-;=?-\[\]_a-z~%]{1,900}", re.IGNORECASE)


class Built(NamedTuple):
    """`content` in canonical CRLF, all ASCII unless `needs_smtputf8`; `parsed` spares the signer a second split."""

    content: bytes
    parsed: Parsed
    needs_smtputf8: bool


def build(draft: Draft, entropy: Entropy) -> Built:
    """The message of a draft.

    Raises Invalid (`header_injection`, `header_forbidden`, `header_duplicate`, `header_name_invalid`,
    `header_too_long`, `content_type_invalid`, `content_id_invalid`, `message_id_invalid`,
    `list_unsubscribe_invalid`, `text_invalid`, `no_content`) with the field, and Corrupt when the
    result does not read back as it was meant.
    """
    head: list[tuple[str, str]] = [
        ("date", f"Date: {fields.date(draft.date)}\r\n"),
        ("from", fields.mailboxes("From", (draft.author,), "from")),
    ]
    if draft.to:
        head.append(("to", fields.mailboxes("To", draft.to, "to")))
    elif not draft.cc:
        head.append(("to", "To: undisclosed-recipients:;\r\n"))
    if draft.cc:
        head.append(("cc", fields.mailboxes("Cc", draft.cc, "cc")))
    if draft.reply_to:
        head.append(("reply-to", fields.mailboxes("Reply-To", draft.reply_to, "reply_to")))
    if draft.subject is not None:
        head.append(("subject", fields.unstructured("Subject", draft.subject, "subject")))
    if not _MESSAGE_ID.fullmatch(draft.message_id):
        raise Invalid("message_id_invalid", "A message id looks like <left@right.example>.", field="message_id")
    head.append(("message-id", f"Message-ID: {draft.message_id}\r\n"))
    if draft.list_unsubscribe is not None:
        head += _list_unsubscribe(draft.list_unsubscribe)
    if draft.feedback_id is not None:
        head.append(("feedback-id", fields.given("Feedback-ID", draft.feedback_id, "feedback_id")))
    if draft.headers:
        head += custom.write(draft.headers, {name for name, _ in head})
    head.append(("mime-version", "MIME-Version: 1.0\r\n"))

    entity = _body(draft, entropy)
    text = "".join([field for _, field in head])
    content = b"".join((text.encode("utf-8"), entity.header, b"\r\n", entity.body))
    names = [name.encode("ascii") for name, _ in head]
    parsed = _reread(content, names, entity, draft.author)
    return Built(content, parsed, not text.isascii())


def _body(draft: Draft, entropy: Entropy) -> Entity:
    if draft.text is None and draft.html is None:
        raise Invalid("no_content", "Give a text or an html part.", field="text")
    if not draft.attachments:
        if draft.html is None:
            return parts.text(draft.text or "", "plain")
        shown = parts.text(draft.html, "html")
        return shown if draft.text is None else _alternative(draft.text, shown, entropy)
    related: list[Entity] = []
    mixed: list[Entity] = []
    for index, item in enumerate(draft.attachments):
        part = parts.attachment(item, index)
        (related if _belongs_to_html(item, draft) else mixed).append(part)
    if draft.html is None:
        body = parts.text(draft.text or "", "plain")
    else:
        body = parts.text(draft.html, "html")
        if related:  # RFC 2387: type names the root's
            body = parts.multipart("related", [body, *related], entropy, b'; type="text/html"')
        if draft.text is not None:
            body = _alternative(draft.text, body, entropy)
    return parts.multipart("mixed", [body, *mixed], entropy) if mixed else body


def _belongs_to_html(item: Attachment, draft: Draft) -> bool:
    return item.inline and item.content_id is not None and draft.html is not None


def _alternative(plain: str, shown: Entity, entropy: Entropy) -> Entity:
    return parts.multipart("alternative", [parts.text(plain, "plain"), shown], entropy)


def _list_unsubscribe(target: ListUnsubscribe) -> list[tuple[str, str]]:
    targets = [uri for uri in (target.url, target.mailto) if uri is not None]
    for uri in targets:
        fields.check(uri, "list_unsubscribe")
        if not _URI.fullmatch(uri):
            raise Invalid("list_unsubscribe_invalid", "Not an https or mailto address.", field="list_unsubscribe")
    if not targets or (target.one_click and not (target.url or "").lower().startswith("https://")):
        # RFC 8058 section 3.1: one-click needs one HTTPS URI.
        raise Invalid("list_unsubscribe_invalid", "One-click needs an https address.", field="list_unsubscribe")
    line = "List-Unsubscribe: " + ",\r\n ".join(f"<{uri}>" for uri in targets) + "\r\n"
    out = [("list-unsubscribe", line)]
    if target.one_click:
        out.append(("list-unsubscribe-post", "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"))
    return out


def _reread(content: bytes, names: list[bytes], entity: Entity, author: Mailbox) -> Parsed:
    """Read the result as a stranger would; anything but what was meant is our defect and never leaves."""
    parsed = headers.split(content)
    found = [name for name, _ in parsed.fields]
    own = [line.partition(b":")[0].lower() for line in entity.header.split(b"\r\n") if line[:1] not in (b" ", b"")]
    if found != names + own or found.count(b"from") != 1 or len(content) - parsed.body_offset != len(entity.body):
        raise Corrupt("message_not_as_built", "The message could not be built.", detail="header fields differ")
    read = mailbox.originators(parsed).author
    if (read.local, read.domain) != (author.local, author.domain):
        raise Corrupt("message_not_as_built", "The message could not be built.", detail="author differs")
    return parsed
