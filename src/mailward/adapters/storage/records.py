"""The sealed form of a message body, the same in a segment file and in an object store.

A record is `MWS1 | length u32 | workspace 16 | message 16 | day u32 | version u16 |
nonce 12 | ciphertext+tag`; AES-256-GCM, and all before the nonce is authenticated with it.
A record lifted out of its place, or handed to another workspace, does not open.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cryptography.exceptions import InvalidTag

from mailward.base.errors import Corrupt
from mailward.base.sources import Entropy
from mailward.core.workspaces.model import DataKey

_HEAD = struct.Struct(">4sI16s16sIH")
_MAGIC = b"MWS1"
_NONCE = 12
_TAG = 16

MAGIC = _MAGIC
"""How each record begins."""

HEAD = _HEAD.size
"""Octets of the part in clear: after it come the nonce and the ciphertext."""

OVERHEAD = _HEAD.size + _NONCE + _TAG
"""Octets a record is longer than the content it seals."""

Body = tuple[bytes, bytes, DataKey, bytes]
"""(workspace, message, data key, content): what one record is made of."""


@dataclass(frozen=True, slots=True)
class BodyRef:
    """Where a body lies: the segment's id (its store knows the place), offset and length of the record in octets."""

    segment: int
    offset: int
    length: int


def seal_record(body: Body, entropy: Entropy) -> bytes:
    """Seal one body under its key with a fresh nonce."""
    workspace, message, key, content = body
    nonce = entropy.bytes(_NONCE)
    head = _HEAD.pack(_MAGIC, len(content) + _TAG, workspace, message, key.day, key.version)
    return b"".join((head, nonce, key.aead.encrypt(nonce, content, head)))


def seal_records(bodies: Sequence[Body | bytes], entropy: Entropy) -> tuple[bytes, list[int]]:
    """Seal each body under its key with a nonce of its own, leave sealed ones as they are.

    The records back to back, and the length of each.
    """
    records = [body if isinstance(body, bytes) else seal_record(body, entropy) for body in bodies]
    return b"".join(records), list(map(len, records))


def octets_of(body: Body | bytes) -> int:
    """How long its record is, or will be."""
    return len(body) if isinstance(body, bytes) else len(body[3]) + OVERHEAD


def record_key(record: bytes) -> tuple[int, int]:
    """(day, version) of the data key a record was sealed under."""
    if len(record) < _HEAD.size:
        raise Corrupt("content_corrupt", "The stored content failed its check.", detail="short record")
    _, _, _, _, day, version = _HEAD.unpack_from(record)
    return day, version


class Head(NamedTuple):
    """What a record says of itself, in clear; `length` is that of the whole record in octets."""

    workspace: bytes
    message: bytes
    day: int
    version: int
    length: int


def read_head(octets: bytes) -> Head | None:
    """The head with which a record begins, or None when none begins here."""
    if len(octets) < HEAD or not octets.startswith(MAGIC):
        return None
    _, sealed, workspace, message, day, version = _HEAD.unpack_from(octets)
    return Head(workspace, message, day, version, HEAD + _NONCE + sealed)


def open_record(record: bytes, workspace: bytes, message: bytes, key: DataKey) -> bytes:
    """Decrypt a record after checking that it is the one asked for; Corrupt when any byte is wrong."""
    size = _HEAD.size
    try:
        magic, length, ws, msg, _, _ = _HEAD.unpack_from(record)
        if magic != _MAGIC or ws != workspace or msg != message or len(record) != size + _NONCE + length:
            raise InvalidTag
        return key.aead.decrypt(record[size : size + _NONCE], record[size + _NONCE :], record[:size])
    except (InvalidTag, struct.error) as e:
        raise Corrupt("content_corrupt", "The stored content failed its check.", detail="record") from e


__all__ = [
    "HEAD",
    "MAGIC",
    "OVERHEAD",
    "Body",
    "BodyRef",
    "Head",
    "open_record",
    "read_head",
    "record_key",
    "seal_record",
    "seal_records",
]
