"""Which header fields a caller may add on its own."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mailward.base.errors import Invalid
from mailward.protocol.message import fields

_NAME = re.compile(r"[!-9;-~]+")
_LONGEST = 76

# Ours to write, trace fields, or fields that would say who vouches for the message.
_FORBIDDEN = frozenset(
    (
        "from", "sender", "to", "cc", "bcc", "reply-to", "subject", "date", "message-id", "mime-version",
        "received", "return-path", "delivered-to", "envelope-to", "x-original-to", "errors-to", "apparently-to",
        "dkim-signature", "domainkey-signature", "authentication-results", "received-spf",
    )
)  # fmt: skip
# What a finished message says in its header and never leaves with; a request has fields for it.
_FIELDS = {
    "x-mailward-template": "template", "x-mailward-template-version": "template_version", "x-mailward-data": "data",
    "x-mailward-tracking": "tracking", "x-mailward-stream": "stream", "x-mailward-tag": "tags",
    "x-mailward-test-mode": "test_mode",
}  # fmt: skip
_METADATA = "x-mailward-metadata-"
_FORBIDDEN_PREFIXES = ("content-", "arc-", "resent-")
_ONCE = frozenset(("in-reply-to", "references", "list-unsubscribe", "list-unsubscribe-post", "feedback-id", "list-id"))


def write(headers: Sequence[tuple[str, str]], taken: set[str]) -> list[tuple[str, str]]:
    """(lower-case name, written field) for each. `taken`: lower-case names the message has already.

    Raises Invalid: `header_name_invalid`, `header_forbidden`, `header_duplicate`, `header_injection`,
    `header_too_long`.
    """
    out = []
    for name, text in headers:
        where = f"headers.{name[:76] if name.isprintable() else '?'}"
        if not _NAME.fullmatch(name):
            raise Invalid("header_name_invalid", "A header name holds a character it must not.", field=where)
        if len(name) > _LONGEST:
            raise Invalid("header_name_invalid", f"A header name has at most {_LONGEST} characters.", field=where)
        lower = name.lower()
        if instead := _FIELDS.get(lower) or ("metadata" if lower.startswith(_METADATA) else ""):
            why = f"The header {name} is for finished messages; the field {instead} says the same here."
            raise Invalid("header_forbidden", why, field=where)
        if lower in _FORBIDDEN or lower.startswith(_FORBIDDEN_PREFIXES):
            raise Invalid("header_forbidden", f"The header {name} is not yours to set here.", field=where)
        if lower in taken and lower in _ONCE:
            raise Invalid("header_duplicate", f"The header {name} may appear once.", field=where)
        taken.add(lower)
        out.append((lower, fields.given(name, text, where)))
    return out
