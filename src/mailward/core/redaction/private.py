"""The private part of a message under way: what sending needs of it and nobody else may read.

Two layers: the part is sealed under a key that was made for this one message, and that key is wrapped under the data
key of its workspace and day. Both stand in one row; deleting the row is the end of both, and of the body that was
sealed under the same key before it went where bodies are kept.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mailward.base.errors import Corrupt
from mailward.base.sources import Entropy
from mailward.core.workspaces.model import DataKey

BODY_MAGIC = b"\x00MWO1\x00"
"""How a body begins that was sealed under its message's own key. No mail begins with NUL (RFC 5322 section 2.2)."""

_HEAD = struct.Struct(">IH")
_NONCE, _KEY, _TAG = 12, 32, 16
_WRAPPED = _NONCE + _KEY + _TAG


class Private(msgspec.Struct, array_like=True, frozen=True):
    """What is sealed. `recipients` are (address, dsn) by number of the copy; `received` the facts of received mail."""

    recipients: tuple[tuple[str, str | None], ...] = ()
    envid: str = ""
    received: bytes = b""


class Opened(NamedTuple):
    """A private part and the message's own key, with which its body opens."""

    part: Private
    key: AESGCM


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(Private)


def own_key(entropy: Entropy) -> bytes:
    """A key for one message."""
    return entropy.bytes(_KEY)


def seal(part: Private, own: bytes, workspace: bytes, message: bytes, under: DataKey, entropy: Entropy) -> bytes:
    """The row of a message under way; bound to its workspace and message, so that it opens nowhere else."""
    head = _HEAD.pack(under.day, under.version)
    place = b"mailward private\x00" + workspace + message + head
    outer, inner = entropy.bytes(_NONCE), entropy.bytes(_NONCE)
    wrapped = under.aead.encrypt(outer, own, place)
    return b"".join((head, outer, wrapped, inner, AESGCM(own).encrypt(inner, _ENCODER.encode(part), place)))


def sealed_under(row: bytes) -> tuple[int, int]:
    """(day, version) of the data key that wraps a row's own key."""
    if len(row) < _HEAD.size + _WRAPPED + _NONCE:
        raise _broken("short private part")
    day, version = _HEAD.unpack_from(row)
    return day, version


def unseal(row: bytes, workspace: bytes, message: bytes, under: DataKey) -> Opened:
    """Open a row; Corrupt when any octet of it is wrong."""
    head, at = row[: _HEAD.size], _HEAD.size
    place = b"mailward private\x00" + workspace + message + head
    try:
        own = under.aead.decrypt(row[at : at + _NONCE], row[at + _NONCE : at + _WRAPPED], place)
        at += _WRAPPED
        key = AESGCM(own)
        part = _DECODER.decode(key.decrypt(row[at : at + _NONCE], row[at + _NONCE :], place))
    except (InvalidTag, msgspec.MsgspecError) as e:
        raise _broken("private part") from e
    return Opened(part, key)


def seal_body(content: bytes, own: bytes, message: bytes, entropy: Entropy) -> bytes:
    """Content under its message's own key, to be stored as bodies are."""
    nonce = entropy.bytes(_NONCE)
    return b"".join((BODY_MAGIC, nonce, AESGCM(own).encrypt(nonce, content, BODY_MAGIC + message)))


def unseal_body(stored: bytes, key: AESGCM, message: bytes) -> bytes:
    """Such a body's content; Corrupt when any octet of it is wrong."""
    at = len(BODY_MAGIC)
    try:
        return key.decrypt(stored[at : at + _NONCE], stored[at + _NONCE :], BODY_MAGIC + message)
    except InvalidTag as e:
        raise _broken("body under its own key") from e


def _broken(detail: str) -> Corrupt:
    return Corrupt("content_corrupt", "The stored content failed its check.", detail=detail)
