"""Prefixed, time-ordered 128-bit ids: `msg_` + 26 characters of Crockford base32.

The high 48 bits are milliseconds since the epoch and the low 80 are random, so ids
sort by creation, and stores keep them as 16 raw bytes.
"""

from __future__ import annotations

from datetime import datetime
from typing import NewType

from mailward.base.errors import NotFound
from mailward.base.sources import Entropy

WorkspaceId = NewType("WorkspaceId", str)
MessageId = NewType("MessageId", str)
DeliveryId = NewType("DeliveryId", str)
DomainId = NewType("DomainId", str)
KeyId = NewType("KeyId", str)
WebhookId = NewType("WebhookId", str)
EventId = NewType("EventId", str)
UserId = NewType("UserId", str)
SessionId = NewType("SessionId", str)

NAMES = {
    "ws": "workspace",
    "msg": "message",
    "dlv": "delivery",
    "dom": "domain",
    "key": "key",
    "smtp": "SMTP credential",
    "whk": "webhook endpoint",
    "evt": "event",
    "usr": "user",
    "ses": "session",
    "fac": "second factor",
    "dev": "trusted device",
    "inv": "invitation",
    "rte": "route",
    "rcv": "received message",
    "aud": "audit entry",
    "alr": "alert",
    "sin": "sign-in",
    "att": "attachment",
    "sup": "suppression",
    "rpl": "replay",
    "grt": "grant",
    "rev": "access review",
    "rep": "report",
    "reg": "register entry",
    "inc": "incident",
    "sig": "signature",
    "ntc": "notice",
    "trf": "transfer",
    "role": "role",
    "bak": "backup",
    "rst": "restore test",
}
"""What each prefix stands for, as people are told."""
PREFIXES = frozenset(NAMES)

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_PAIRS = tuple(a + b for a in _ALPHABET for b in _ALPHABET)
_VALUES = {c: i for i, c in enumerate(_ALPHABET)}


def encode(prefix: str, raw: bytes) -> str:
    """Text form of 16 raw bytes under a prefix."""
    n = int.from_bytes(raw, "big")
    p = _PAIRS
    out = [p[(n >> s) & 1023] for s in range(120, -1, -10)]
    return prefix + "_" + "".join(out)


def decode(prefix: str, text: str) -> bytes:
    """Raw 16 bytes of a text id; NotFound when it is not an id of this kind.

    An ill-formed id answers the same as an unknown one, so that shape tells nothing.
    """
    head, _, body = text.partition("_")
    if head != prefix or len(body) != 26:
        raise _unknown(prefix)
    n = 0
    for c in body:
        value = _VALUES.get(c)
        if value is None:
            raise _unknown(prefix)
        n = n << 5 | value
    if n >> 128:
        raise _unknown(prefix)
    return n.to_bytes(16, "big")


def _unknown(prefix: str) -> NotFound:
    return NotFound("not_found", f"There is no {NAMES.get(prefix, 'such thing')} with that id.")


def new_raw(now_ms: int, entropy: Entropy) -> bytes:
    """16 bytes: 48 bits of milliseconds, 80 random bits."""
    return now_ms.to_bytes(6, "big") + entropy.bytes(10)


def new(prefix: str, now: datetime, entropy: Entropy) -> str:
    """A fresh id of the given kind."""
    return encode(prefix, new_raw(int(now.timestamp() * 1000), entropy))
