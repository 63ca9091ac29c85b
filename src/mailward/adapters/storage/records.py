"""The sealed form of a message body, the same in a segment file and in an object store.

A record is `MWS1 | length u32 | workspace 16 | message 16 | day u32 | version u16 |
nonce 12 | ciphertext+tag`; AES-256-GCM, and all before the nonce is authenticated with it.
A record lifted out of its place, or handed to another workspace, does not open.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag

from mailward.base.errors import Corrupt
from mailward.base.sources import Entropy
from mailward.core.workspaces.model import DataKey

_HEAD = struct.Struct(">4sI16s16sIH")
_MAGIC = b"MWS1"
_NONCE = 12
_TAG = 16

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


def seal_records(bodies: Sequence[Body], entropy: Entropy) -> tuple[bytes, list[int]]:
    """Seal each body under its key with a nonce of its own: the records back to back, and the length of each."""
    nonces = entropy.bytes(_NONCE * len(bodies))
    chunks: list[bytes] = []
    lengths: list[int] = []
    for i, (workspace, message, key, content) in enumerate(bodies):
        nonce = nonces[_NONCE * i : _NONCE * i + _NONCE]
        head = _HEAD.pack(_MAGIC, len(content) + _TAG, workspace, message, key.day, key.version)
        sealed = key.aead.encrypt(nonce, content, head)
        chunks += (head, nonce, sealed)
        lengths.append(len(head) + _NONCE + len(sealed))
    return b"".join(chunks), lengths


def record_key(record: bytes) -> tuple[int, int]:
    """(day, version) of the data key a record was sealed under."""
    if len(record) < _HEAD.size:
        raise Corrupt("content_corrupt", "The stored content failed its check.", detail="short record")
    _, _, _, _, day, version = _HEAD.unpack_from(record)
    return day, version


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


__all__ = ["OVERHEAD", "Body", "BodyRef", "open_record", "record_key", "seal_records"]
