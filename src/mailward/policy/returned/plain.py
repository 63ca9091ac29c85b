# ruff: noqa: E501 (patterns are easier to check when one alternative is not cut in two)
"""Bounces that are only written to people: where the notice ends, whom it is about, and what it says of each."""

from __future__ import annotations

import re
from collections.abc import Collection

MAX_LINES = 2000
MAX_RECIPIENTS = 1000
_PARAGRAPH = 14

# Where the notice ends and what is sent back begins.
_END = re.compile(
    r"^\W{0,12}(?:below this line is a copy|this is a copy of (?:the|your) message|original message|unsent message|(?:the )?(?:original|rejected|undelivered|returned|failed|bounced) (?:message|mail)(?: (?:follows|headers?|text|is attached|is below|below|was|body))?\W{0,12}$|"
    r"message (?:header|text|headers|body|contents?)(?: follows?)?\W{0,12}$|header of (?:the )?original|(?:the )?(?:headers?|text|body|first \d{1,4} lines|beginning) of (?:the|your) (?:original|undelivered|returned|message|mail)|copy of (?:the |your )?(?:original )?message|returned (?:mail|message) follows|message contents follow|your original message|forwarded message|ursprüngliche nachricht|message d'origine|mensaje original|messaggio originale|mensagem original|оригинальное|исходное (?:сообщение|письмо)|元のメッセージ|原始邮件|원본 메일|"
    r"start of returned message|begin(?:ning of)? (?:original|returned) message|included is|attached is|i have attached|a copy of your message|[-=_*]{3,} ?(?:forwarded|included|original|returned|unsent|message|header))",
    re.IGNORECASE,
)
_HEADER = re.compile(
    r"^(?:Received: (?:from|by|\(qmail)|Return-Path:|DKIM-Signature:|X-Envelope-From:|Message-ID: ?<|MIME-Version: 1|Received-SPF:)",
    re.IGNORECASE,
)
_ADDRESS = re.compile(
    r"(?<![\w.!#$%&'*+/?^`{|}~@-])[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}", re.ASCII
)
_MAILTO = re.compile(r"^(?:smtp|rfc822|to|mailto|internet|recipient|addr|address)=", re.IGNORECASE)
# Addresses that help is offered under, and those of machines.
_NOT_HIM = re.compile(
    r"(?:mailer-?daemon|postmaster|hostmaster|abuse|noc|helpdesk|help|support|admin|administrator|no-?reply|root|mdaemon|webmaster|info@(?=mail)|security|listserv|owner-)[\w.-]{0,40}@",
    re.IGNORECASE,
)


def notice(text: str) -> list[str]:
    """The lines before the original, at most 2,000; all of them when nothing tells where it begins."""
    lines = text.split("\n", MAX_LINES)[:MAX_LINES]
    for number, line in enumerate(lines):
        shown = line.strip(" \t>|")[:400]
        if (number > 1 and _HEADER.match(shown)) or (number > 2 and _END.match(shown)):
            return lines[:number]
    return lines


def named(lines: list[str], ours: Collection[str]) -> dict[str, str]:
    """Recipients in the order in which the notice names them, each with the paragraph that stands with it.

    `ours` are addresses (lower case) that are the sender's or the reporter's.
    """
    at: list[tuple[int, str]] = []
    seen: set[str] = set()
    for number, line in enumerate(lines):
        if ">>> mail from" in line[:40].lower():
            continue
        for match in _ADDRESS.finditer(line[:2000]):
            address = _MAILTO.sub("", match[0].strip("'.")).lower()
            if address in ours or _NOT_HIM.match(address) or len(seen) >= MAX_RECIPIENTS:
                continue
            if address not in seen:
                seen.add(address)
                at.append((number, _MAILTO.sub("", match[0].strip("'."))))
    out: dict[str, str] = {}
    for place, (number, address) in enumerate(at):
        until = next((n for n, _ in at[place + 1 :] if n > number), len(lines))
        out[address] = "\n".join(lines[number : min(until, number + _PARAGRAPH)])
    return out
