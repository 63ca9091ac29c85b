"""message/delivery-status (RFC 3464): the fields of the message and of each recipient."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from mailward.protocol.reports.fields import Fields, first, groups

MAX_RECIPIENTS = 1000

# An apostrophe is a letter of a local part; around an address it is a quotation mark.
_ADDRESS = re.compile(r"[^\s<>\"(),;:]{1,64}@[^\s<>\"'(),;:]{1,255}")
_EMBEDDED = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")


@dataclass(frozen=True, slots=True)
class Recipient:
    """One recipient's group. Empty texts where a field is missing; `action` in lower case (section 2.3.3)."""

    final: str
    original: str
    action: str
    status: str
    diagnostic: str
    remote_mta: str


@dataclass(frozen=True, slots=True)
class DeliveryStatus:
    """A delivery report. `envelope_id` is what we gave with ENVID, when it comes back (section 2.2.1)."""

    reporting_mta: str
    envelope_id: str
    recipients: tuple[Recipient, ...]


def read(content: bytes) -> DeliveryStatus:
    """The report in the decoded content of a message/delivery-status part.

    Generators leave the empty line between the groups out, or begin with a recipient: a
    group is a recipient's when it names one or says what was done.
    """
    about: Fields = {}
    recipients: list[Recipient] = []
    for group in groups(content):
        if not _RECIPIENT & group.keys():
            for name, values in group.items():
                about.setdefault(name, values)
            continue
        for name in ("reporting-mta", "original-envelope-id"):
            if name in group:
                about.setdefault(name, group[name])
        recipients.append(_recipient(group))
        if len(recipients) >= MAX_RECIPIENTS:
            break
    return DeliveryStatus(first(about, "reporting-mta"), first(about, "original-envelope-id"), tuple(recipients))


_RECIPIENT = frozenset(("final-recipient", "original-recipient", "action", "status", "x-actual-recipient"))


def _recipient(group: Fields) -> Recipient:
    return Recipient(
        final=address(first(group, "final-recipient", "x-actual-recipient")),
        original=address(first(group, "original-recipient")),
        action=first(group, "action").partition(" ")[0].partition("(")[0].lower(),
        status=first(group, "status"),
        diagnostic=" ".join(group.get("diagnostic-code", []))[:4000],
        remote_mta=first(group, "remote-mta").partition(";")[2].strip() or first(group, "remote-mta"),
    )


def address(value: str) -> str:
    """The address of an `address-type; address` value (section 2.3.1), without angle brackets; "" when there is none.

    xtext (RFC 3461 section 4) is undone for `+XX`, and the `\\x{XX}` of the type utf-8 (RFC 6533 section 3).
    """
    kind, semicolon, rest = value.partition(";")
    text = (rest if semicolon else kind)[:1000]
    if kind.strip().lower() == "utf-8":
        text = _EMBEDDED.sub(_character, text)
    match = _ADDRESS.search(text)
    if match is None:
        return ""
    found = match[0].strip(".'")
    return _XTEXT.sub(lambda m: unquote("%" + m[1]), found) if _XTEXT_USED.search(found) else found


# "+3D" in an address may be a tag; only what must be written so (RFC 3461 section 4: "+", "=", non-ASCII) is undone.
_XTEXT = re.compile(r"\+(2B|3D)")
_XTEXT_USED = re.compile(r"\+(?:2B|3D)[^@]*@")


def _character(embedded: re.Match[str]) -> str:
    code = int(embedded[1], 16)
    return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else embedded[0]
