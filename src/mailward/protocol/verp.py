"""The signed return-path: which delivery a bounce is about, in the local part it comes back to.

`b+<base32 of delivery id and recipient index>-<base32 of the MAC>`: case does not
matter, as relays may change it. 80 bits of HMAC-SHA256 keep strangers from making
bounces up. 48 characters of 64 allowed.

Copies that went in one transaction share a return-path. It carries the index of the
first of them, and what tells it from that one's own is the label under the MAC, so
no index can be taken for it. Before that, index 255 said that a path is shared, under
the label of all others; such paths are still about, so copy 255 has a label to itself.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import NamedTuple

PREFIX = "b+"
_MAC_BYTES = 10
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = tuple(a + b for a in _ALPHABET for b in _ALPHABET)
MAX_INDEX = 0xFFFF
_FORMERLY_SHARED = 0xFF
_OWN, _OWN_255, _SHARED = b"return-path\0", b"return-path of 255\0", b"shared return-path\0"


class ReturnPath(NamedTuple):
    """What a genuine return-path names: the raw delivery id (16 bytes) and the recipient's index in it.

    Where it is `shared`, the index is that of the first copy that went out under it, or None where that is not told.
    """

    delivery: bytes
    recipient: int | None
    shared: bool = False


def _mac(key: bytes, label: bytes, payload: bytes) -> bytes:
    return hmac.digest(key, label + payload, hashlib.sha256)[:_MAC_BYTES]


def encode(delivery: bytes, recipient: int, key: bytes, *, shared: bool = False) -> str:
    """The local part for a delivery (raw 16-byte id) and recipient index (0 to 65,535).

    `shared`: for all the copies of one transaction, of which this is the first.
    """
    payload = delivery + recipient.to_bytes(2, "big")
    label = _SHARED if shared else _OWN if recipient != _FORMERLY_SHARED else _OWN_255
    return f"{PREFIX}{_base32(payload)}-{_base32(_mac(key, label, payload))}"


def _base32(data: bytes) -> str:
    """RFC 4648 section 6 in lower case, without padding: ten bits at a time, as this runs for every message sent."""
    bits = len(data) * 8
    padded = -bits % 10
    number = int.from_bytes(data, "big") << padded
    pairs = _PAIRS
    text = "".join([pairs[(number >> shift) & 1023] for shift in range(bits + padded - 10, -1, -10)])
    return text[: (bits + 4) // 5]


def decode(local: str, *keys: bytes) -> ReturnPath | None:
    """What a local part names, or None when no key (the present and the former ones) signed it. Constant time."""
    if len(local) != 48 or local[:2].lower() != PREFIX or not local.isascii():
        return None
    text, dash, mac = local[2:].upper().partition("-")
    if not dash or len(text) != 29 or len(mac) != 16:
        return None
    try:
        payload = base64.b32decode(text + "===")
        given = base64.b32decode(mac)
    except binascii.Error:
        return None
    index = int.from_bytes(payload[16:], "big")
    former = index == _FORMERLY_SHARED
    own = shared = several = False
    for key in keys:
        own |= hmac.compare_digest(_mac(key, _OWN_255 if former else _OWN, payload), given)
        shared |= hmac.compare_digest(_mac(key, _SHARED, payload), given)
        several |= former and hmac.compare_digest(_mac(key, _OWN, payload), given)
    if own or shared:
        return ReturnPath(payload[:16], index, shared=not own)
    return ReturnPath(payload[:16], None, shared=True) if several else None
