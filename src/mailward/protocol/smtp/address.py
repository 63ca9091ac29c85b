"""Mailboxes exactly as RFC 5321 section 4.1.2 writes them, and RFC 6531 when the transaction allows it.

Nothing is repaired: no comments, no folding, no display names, no source routes. A parser that accepts more
than the next hop's parser does is how mail changes its destination on the way.

Result: the address as one canonical string. The domain is lower case and in A-labels, a quoted local part that
needed no quotes has lost them, and everything else is kept as written (the local part belongs to its owner).
"""

from __future__ import annotations

import ipaddress
import re
from enum import Enum
from typing import NamedTuple

import idna

LOCAL_MAX = 64  # RFC 5321 section 4.5.3.1.1, octets
DOMAIN_MAX = 253  # RFC 5321 says 255 octets; in text form the DNS cannot carry more than 253
MAILBOX_MAX = 254  # section 4.5.3.1.3: a path of 256 octets, less its angle brackets


class Flaw(Enum):
    """Why a path was refused; each has its own reply."""

    SYNTAX = "syntax"
    TOO_LONG = "too long"
    NEEDS_SMTPUTF8 = "non-ASCII without SMTPUTF8"
    RELAY = "asks for relaying"  # a second destination hidden in the local part
    ROUTE = "source route"
    LITERAL = "address literal"


class BadAddress(ValueError):
    """The path is refused. `flaw` says which rule it broke."""

    def __init__(self, flaw: Flaw) -> None:
        super().__init__(flaw.value)
        self.flaw = flaw


class Mailbox(NamedTuple):
    """A parsed mailbox. `local` is unquoted; `quoted` says that it must be quoted on the wire; `literal` marks [IP]."""

    local: str
    domain: str
    quoted: bool
    literal: bool


# Time is linear in the input, whatever the input: bounded repeats, possessive ones of single characters, and groups of
# which each can begin in one way only. Groups are not repeated possessively: CPython before 3.11.5 keeps what such a
# group consumed before it failed (gh-106052), so that `a.@example.org` would match.
_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# The everyday path: ASCII, dot-atom, letters-digits-hyphens, at least two labels, none of the relay characters.
_PLAIN = re.compile(
    rb"[A-Za-z0-9#$&'*+/=?^_`{|}~-]++(?:\.[A-Za-z0-9#$&'*+/=?^_`{|}~-]++)*"
    rb"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)
_DOT_ATOM = re.compile(rf"[{_ATEXT}\u0080-\U0010ffff]++(?:\.[{_ATEXT}\u0080-\U0010ffff]++)*")
_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e\u0080-\U0010ffff]|\\[\x20-\x7e])*)"')
_LDH_DOMAIN = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}")
_PAIR = re.compile(r"\\(.)")
_SNUM = re.compile(
    r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:\.(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])){3}"
)
# Not characters of a name: controls, line and paragraph separators, invisible and direction-changing marks,
# the byte order mark, noncharacters. A local part that shows as another one is refused at the door.
_UNSEEN = re.compile(
    "[\u0080-\u00a0\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202f\u205f-\u206f\u3000\ud800-\udfff\ufeff\ufff0-\uffff"
    "\U000e0000-\U000e0fff]"
)


def path(raw: bytes, *, smtputf8: bool = False) -> str:
    """The canonical address inside the angle brackets of MAIL FROM or RCPT TO; the null path is not for here.

    Raises BadAddress for what RFC 5321 does not allow, and for three things it allows but that submission and MX
    never need: address literals, explicit source routes, and local parts that name a second destination
    (`a%b@c`, `b!a@c`, `"a@b"@c`), the old ways through an open relay.
    """
    if _PLAIN.fullmatch(raw) and len(raw) <= MAILBOX_MAX:
        at = raw.index(b"@")
        if at <= LOCAL_MAX and not (b"xn--" in raw or b"XN--" in raw or b"Xn--" in raw or b"xN--" in raw):
            text = raw.decode("ascii")
            return text[:at] + text[at:].lower()
    return _careful(raw, smtputf8)


def names_another(local: str) -> bool:
    """Whether a local part names a second destination, as the old ways through an open relay do."""
    return "@" in local or "%" in local or "!" in local


def _careful(raw: bytes, smtputf8: bool) -> str:
    if not raw.isascii() and not smtputf8:
        raise BadAddress(Flaw.NEEDS_SMTPUTF8)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise BadAddress(Flaw.SYNTAX) from None
    if text[:1] == "@":
        raise BadAddress(Flaw.ROUTE)
    if text[:1] != '"' and text.count("@") > 1:
        raise BadAddress(Flaw.RELAY)
    box = parse(text, smtputf8=smtputf8)
    if box.literal:
        raise BadAddress(Flaw.LITERAL)
    if names_another(box.local):
        raise BadAddress(Flaw.RELAY)
    return spell(box)


def parse(text: str, *, smtputf8: bool = False) -> Mailbox:
    """Parse `Mailbox = Local-part "@" ( Domain / address-literal )` of RFC 5321 section 4.1.2, all of it.

    With `smtputf8`, UTF-8 is allowed in atoms, quoted strings and labels (RFC 6531 section 3.3). Raises BadAddress.
    """
    if not smtputf8 and not text.isascii():
        raise BadAddress(Flaw.NEEDS_SMTPUTF8)
    # Checked before any further work, so that nothing below ever sees more than a few hundred characters.
    if len(text) > MAILBOX_MAX:
        raise BadAddress(Flaw.TOO_LONG)
    if text[:1] == '"':
        match = _QUOTED.match(text)
        if match is None or text[match.end() : match.end() + 1] != "@":
            raise BadAddress(Flaw.SYNTAX)
        written, domain = match[0], text[match.end() + 1 :]
        local = _PAIR.sub(r"\1", match[1])
        quoted = _DOT_ATOM.fullmatch(local) is None
    else:
        written, _, domain = text.partition("@")
        if _DOT_ATOM.fullmatch(written) is None:
            raise BadAddress(Flaw.SYNTAX)
        local, quoted = written, False
    if _UNSEEN.search(local):
        raise BadAddress(Flaw.SYNTAX)
    if len(written.encode("utf-8", "surrogatepass")) > LOCAL_MAX:
        raise BadAddress(Flaw.TOO_LONG)
    if domain[:1] == "[":
        return Mailbox(local, _literal(domain), quoted, True)
    box = Mailbox(local, normal_domain(domain, u_labels=smtputf8), quoted, False)
    if len(written.encode()) + 1 + len(box.domain) > MAILBOX_MAX:
        raise BadAddress(Flaw.TOO_LONG)
    return box


def spell(box: Mailbox) -> str:
    """The mailbox as it goes on the wire, with the fewest quotes and backslashes that keep its meaning."""
    if not box.quoted:
        return f"{box.local}@{box.domain}"
    escaped = box.local.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"@{box.domain}'


def normal_domain(domain: str, *, u_labels: bool = True) -> str:
    """A domain in lower case A-labels: the form every comparison in the platform uses. Raises BadAddress.

    U-labels go through UTS 46 mapping and IDNA 2008 (RFC 5891), so that a full-width or mixed-case spelling and
    its plain one are the same name. A label that claims to be an A-label must decode and encode back to itself.
    """
    if not domain.isascii():
        if not u_labels or len(domain) > DOMAIN_MAX:
            raise BadAddress(Flaw.SYNTAX)
        try:
            domain = idna.encode(domain, uts46=True, std3_rules=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            raise BadAddress(Flaw.SYNTAX) from None
    if len(domain) > DOMAIN_MAX:
        raise BadAddress(Flaw.TOO_LONG)
    if _LDH_DOMAIN.fullmatch(domain) is None:
        raise BadAddress(Flaw.SYNTAX)
    domain = domain.lower()
    if "xn--" in domain:
        for label in domain.split("."):
            if label.startswith("xn--") and not _genuine(label):
                raise BadAddress(Flaw.SYNTAX)
    return domain


def _genuine(label: str) -> bool:
    """Whether an A-label is the encoding of some non-ASCII label (RFC 5890 section 2.3.2.1)."""
    try:
        decoded = label[4:].encode("ascii").decode("punycode")
        return not decoded.isascii() and decoded.encode("punycode") == label[4:].encode("ascii")
    except UnicodeError:
        return False


def _literal(text: str) -> str:
    """`[192.0.2.1]` or `[IPv6:...]` in canonical form; other tags have no registered use and are refused."""
    inner = text[1:-1]
    if text[-1:] != "]":
        raise BadAddress(Flaw.SYNTAX)
    if _SNUM.fullmatch(inner):
        return text
    if inner[:5].lower() != "ipv6:" or "%" in inner:
        raise BadAddress(Flaw.SYNTAX)
    try:
        address = ipaddress.IPv6Address(inner[5:])
    except ValueError:
        raise BadAddress(Flaw.SYNTAX) from None
    # RFC 5321 section 4.1.3: "::" stands for at least two groups.
    if "::" in inner:
        groups = [g for g in inner[5:].split(":") if g]
        if len(groups) + ("." in inner) > 6:
            raise BadAddress(Flaw.SYNTAX)
    return f"[IPv6:{address}]"
