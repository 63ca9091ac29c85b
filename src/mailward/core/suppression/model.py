"""The nouns: a reason, an entry, and the normal form under which addresses are compared."""

from __future__ import annotations

import hmac
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from mailward.base.errors import Invalid

# RFC 5321 section 4.5.3.1: octets of a local part and of a domain.
LOCAL_MAX = 64
DOMAIN_MAX = 255

EVERY_STREAM = ""
_PAIR = re.compile(r"\\(.)", re.DOTALL)


class Reason(StrEnum):
    """Why nothing is sent to an address."""

    HARD_BOUNCE = "hard_bounce"
    COMPLAINT = "complaint"
    UNSUBSCRIBE = "unsubscribe"
    MANUAL = "manual"
    IMPORTED = "imported"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the list. `stream` "" means every stream; `source` is the id of what caused it, or ""."""

    id: bytes
    address: str
    stream: str
    reason: Reason
    source: str
    created: int


@dataclass(frozen=True, slots=True)
class Page:
    """Newest first; `next` is the cursor of the following page, or None at the end."""

    entries: list[Entry]
    next: bytes | None


# What `among` answers: token -> {stream or "": reason}. Tokens without an entry are absent.
Found = Mapping[bytes, Mapping[str, Reason]]


def blocked(found: Found, token: bytes, stream: str) -> Reason | None:
    """The reason that stops this address on this stream, or None."""
    entries = found.get(token)
    if entries is None:
        return None
    return entries.get(EVERY_STREAM) or entries.get(stream)


def normalise(address: str) -> str:
    """The form kept and shown: domain in lower case, local part as written.

    Raises Invalid unless it is one local part, an `@` and a domain within RFC 5321's sizes.
    """
    local, at, domain = address.strip().rpartition("@")
    domain = domain.lower().rstrip(".")
    if not at or not local or not domain:
        raise Invalid("invalid_address", "This is not an email address.", field="address")
    if len(local.encode("utf-8", "surrogatepass")) > LOCAL_MAX or len(domain) > DOMAIN_MAX:
        raise Invalid("invalid_address", "This email address is too long.", field="address")
    quoted = len(local) > 1 and local[0] == local[-1] == '"'
    if any(_unfit(c) for c in domain) or (not quoted and any(_unfit(c) for c in local)):
        raise Invalid("invalid_address", "This email address holds a character that cannot be in one.", field="address")
    if quoted and any(unicodedata.category(c) in ("Cc", "Cs") for c in local):
        raise Invalid("invalid_address", "This email address holds a control character.", field="address")
    return f"{local}@{domain}"


def _unfit(c: str) -> bool:
    return c in ' @<>()[],;:\\"' or unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp", "Zs", "Cf")


def token(key: bytes, address: str) -> bytes:
    """16 bytes under which an address is found: HMAC-SHA256 of its compared form.

    Compared without regard to case, in the local part too: no provider of note tells
    `Ann@` from `ann@`, and a list that does would mail people who said no. An
    internationalised domain is compared in its A-label form. Quotes say nothing of their own
    (RFC 5321 section 4.1.2): `"ann"@` is `ann@`.
    """
    local, _, domain = address.rpartition("@")
    if local[:1] == '"' and local[-1:] == '"':
        local = _PAIR.sub(r"\1", local[1:-1])
    if not address.isascii():
        local = unicodedata.normalize("NFC", local).casefold()
        try:
            domain = domain.encode("idna").decode("ascii")
        except UnicodeError:
            domain = unicodedata.normalize("NFC", domain).casefold()
    return hmac.digest(key, f"{local}@{domain.rstrip('.')}".lower().encode("utf-8", "surrogatepass"), "sha256")[:16]
