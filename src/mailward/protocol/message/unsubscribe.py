"""The token in an unsubscribe link (RFC 8058): who, from which stream of which workspace, signed.

The recipient is not written into it: the delivery id names it, so a link in a log or a
proxy tells nobody an address. Tokens do not expire, as CAN-SPAM wants links to work
for 30 days at least and people unsubscribe from old mail.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import NamedTuple

_VERSION = 1
_MAC_BYTES = 16
_MAX_STREAM = 64


class Target(NamedTuple):
    """Raw 16-byte ids of the workspace and the delivery, and the stream's name."""

    workspace: bytes
    delivery: bytes
    stream: str


def _mac(key: bytes, payload: bytes) -> bytes:
    return hmac.digest(key, b"unsubscribe\0" + payload, hashlib.sha256)[:_MAC_BYTES]


def encode(target: Target, key: bytes) -> str:
    """A token of URL-safe characters. ValueError for a stream name over 64 bytes."""
    stream = target.stream.encode("utf-8")
    if len(target.workspace) != 16 or len(target.delivery) != 16 or len(stream) > _MAX_STREAM:
        raise ValueError("not an unsubscribe target")
    payload = bytes((_VERSION,)) + target.workspace + target.delivery + stream
    return base64.urlsafe_b64encode(payload + _mac(key, payload)).decode("ascii").rstrip("=")


def decode(token: str, *keys: bytes) -> Target | None:
    """What a token names, or None when no key signed it. Constant time."""
    if not token.isascii() or not 66 <= len(token) <= 152:
        return None
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    if base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=") != token:  # one spelling only
        return None
    payload, given = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
    good = False
    for key in keys:
        good |= hmac.compare_digest(_mac(key, payload), given)
    if not good or len(payload) < 33 or payload[0] != _VERSION:
        return None
    return Target(payload[1:17], payload[17:33], payload[33:].decode("utf-8", "replace"))
