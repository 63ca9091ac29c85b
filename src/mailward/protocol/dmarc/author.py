"""The Author Domain (RFC 9989 sections 4.4 and 5.3.1), read so that no reader can see another one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from mailward.base.errors import Invalid
from mailward.protocol.message import headers, mailbox

SINGLE = (b"from", b"sender", b"reply-to", b"to", b"cc", b"subject", b"date", b"message-id")
"""Fields of which RFC 5322 section 3.6 allows one. With two, programs disagree on which to show."""

# `user@example.com <user@example.com>`: not RFC 5322 (the name needs quotes), yet common, and clear when both agree.
_ADDRESS_AS_NAME = re.compile(
    rb"""[ \t]*['"]?([A-Za-z0-9.!#$%&*+/=?^_`{|}~-]+@[A-Za-z0-9.-]+)['"]?[ \t]*<([^<>]*)>[ \t]*"""
)


class Author(NamedTuple):
    """`domain` in A-labels, "" when there is no single author; `flaw` is "" or what is wrong, `reason` a sentence."""

    domain: str
    flaw: str = ""
    reason: str = ""


def extract(fields: Sequence[tuple[bytes, bytes]]) -> Author:
    """Whom the header says the message is from. `fields` as `headers.split` gives them."""
    froms = [raw for name, raw in fields if name == b"from"]
    if not froms:
        return Author("", "from_missing", "The message has no From field, so there is nobody to authenticate.")
    if len(froms) > 1:
        return Author("", "from_repeated", f"The message has {len(froms)} From fields; readers differ on which counts.")
    try:
        found = _mailboxes(headers.value(froms[0]))
    except Invalid as error:
        return Author("", "from_unreadable", f"The From field cannot be read in one way only. {error.public}")
    if not found:
        return Author("", "from_missing", "The From field holds no address, so there is nobody to authenticate.")
    if len(found) > 1:
        return Author("", "from_several", f"The From field holds {len(found)} addresses; one author is needed.")
    repeated = _repeated(fields)
    if repeated:
        shown = repeated.decode("ascii")
        reason = f"The message has more than one {shown} field, so readers differ on what it says (RFC 5322)."
        return Author(found[0].domain, "field_repeated", reason)
    return Author(found[0].domain)


def _mailboxes(value: bytes) -> list[mailbox.Mailbox]:
    twice = _ADDRESS_AS_NAME.fullmatch(value)
    if twice and twice[1].lower() == twice[2].strip().lower():
        value = twice[2]
    return mailbox.parse_list(value)


def _repeated(fields: Sequence[tuple[bytes, bytes]]) -> bytes:
    seen = set()
    for name, _ in fields:
        if name in SINGLE:
            if name in seen:
                return name
            seen.add(name)
    return b""
