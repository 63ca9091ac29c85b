"""What stands in the path of a tracked link: the message, which recipient's copy, where it leads; signed.

The target is inside, so a link works without anything being stored for it, and nobody can have our host send a
browser anywhere that a customer did not write into a mail. The host is signed along: a link of one customer's host
means nothing at another's.

Two keys sign. The workspace's own is what counts, but whose it is only the store knows; so a few octets under a key of
the installation come first, and what strangers make up is turned away without anybody being asked.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from enum import StrEnum
from typing import NamedTuple

_GATE_BYTES = 6
_MAC_BYTES = 16
_PAYLOAD = _GATE_BYTES + _MAC_BYTES
_HEAD = _PAYLOAD + 1 + 16 + 2
MAX_TARGET = 2000
_MAX_TOKEN = (_HEAD + MAX_TARGET) * 4 // 3 + 4
MAX_INDEX = 0xFFFF


class Kind(StrEnum):
    """What a link is for. The letter is signed, and is the first part of its path."""

    CLICK = "c"
    OPEN = "o"
    OPT_OUT = "p"


class Link(NamedTuple):
    """The raw id of the message, the number of the recipient's copy, and for a click its target."""

    kind: Kind
    message: bytes
    n: int
    target: str = ""


class Keys(NamedTuple):
    """`gate` is the installation's, `own` the workspace's."""

    gate: bytes
    own: bytes


class Claim(NamedTuple):
    """A token taken apart: nothing of it is to be believed before `verified` says so."""

    link: Link
    payload: bytes
    mac: bytes


def _mac(key: bytes, host: str, payload: bytes, size: int = _MAC_BYTES) -> bytes:
    signed = b"tracked-link\0" + host.encode("ascii", "replace") + b"\0" + payload
    return hmac.digest(key, signed, hashlib.sha256)[:size]


def encode(link: Link, host: str, keys: Keys) -> str:
    """The token for a link at `host` (lower case, without port).

    ValueError for a target that is longer than 2,000 characters or not ASCII.
    """
    target = link.target.encode("ascii")
    if len(link.message) != 16 or not 0 <= link.n <= MAX_INDEX or len(target) > MAX_TARGET:
        raise ValueError("not a link that can be tracked")
    payload = link.kind.value.encode() + link.message + link.n.to_bytes(2, "big") + target
    signed = _mac(keys.own, host, payload) + payload
    return base64.urlsafe_b64encode(_mac(keys.gate, host, signed, _GATE_BYTES) + signed).decode("ascii").rstrip("=")


def claimed(kind: Kind, token: str, host: str, gate: bytes) -> Claim | None:
    """What a token says, to find the key with that would prove it; None for what this installation did not make."""
    if not token.isascii() or len(token) > _MAX_TOKEN:
        return None
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    if len(raw) < _HEAD or base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=") != token:  # one spelling only
        return None
    if not hmac.compare_digest(_mac(gate, host, raw[_GATE_BYTES:], _GATE_BYTES), raw[:_GATE_BYTES]):
        return None
    mac, payload = raw[_GATE_BYTES:_PAYLOAD], raw[_PAYLOAD:]
    if payload[:1] != kind.value.encode():
        return None
    try:
        target = payload[19:].decode("ascii")
    except UnicodeDecodeError:
        return None
    return Claim(Link(kind, payload[1:17], int.from_bytes(payload[17:19], "big"), target), payload, mac)


def verified(claim: Claim, host: str, own: bytes) -> Link | None:
    """The link, or None when this key did not sign it for this host. Constant time."""
    return claim.link if hmac.compare_digest(_mac(own, host, claim.payload), claim.mac) else None
