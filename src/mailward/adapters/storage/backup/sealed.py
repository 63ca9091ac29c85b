"""A sealed part: AES-256-GCM in chunks, each authenticated, so that a file of any size opens in little memory.

`MWB1 | length u16 | wrapped key | prefix 7 | chunks`. The construction is STREAM (Hoang,
Reyhanitabar, Rogaway, Vizár, 2015): a chunk's nonce is `prefix | counter u32 | last u8`, so
chunks can be neither exchanged nor repeated, and a file that was cut has no last chunk.
Everything before the chunks is authenticated with each of them. The key is random, for
this file alone; wrapping binds it to the part's name.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mailward.base.errors import Corrupt
from mailward.base.sources import Entropy

Wrap = Callable[[bytes, bytes], bytes]
"""(key or wrapped key, what it is bound to) -> the other one. Raises Corrupt."""

MAGIC = b"MWB1"
CHUNK = 1 << 20
_TAG = 16
_PREFIX = 7
_LENGTH = struct.Struct(">H")
_COUNTED = struct.Struct(">IB")


def seal(source: Iterator[bytes], target: BinaryIO, *, name: str, wrap: Wrap, entropy: Entropy) -> tuple[str, int]:
    """Seal pieces of any size into a file; (hex SHA-256, octets) of what went in."""
    key = entropy.bytes(32)
    wrapped = wrap(key, bound(name))
    prefix = entropy.bytes(_PREFIX)
    head = MAGIC + _LENGTH.pack(len(wrapped)) + wrapped + prefix
    aead, digest, size = AESGCM(key), hashlib.sha256(), 0
    target.write(head)
    held = bytearray()
    counter = 0
    for piece in source:
        digest.update(piece)
        size += len(piece)
        held += piece
        # What is exactly full waits: it may be the last one, and the last one says so.
        while len(held) > CHUNK:
            target.write(aead.encrypt(prefix + _COUNTED.pack(counter, 0), bytes(held[:CHUNK]), head))
            del held[:CHUNK]
            counter += 1
    target.write(aead.encrypt(prefix + _COUNTED.pack(counter, 1), bytes(held), head))
    return digest.hexdigest(), size


def unseal(source: BinaryIO, *, name: str, unwrap: Wrap) -> Iterator[bytes]:
    """What is inside, a chunk at a time. Corrupt at the first octet that is not as it was written, and at a cut end."""
    fixed = source.read(len(MAGIC) + _LENGTH.size)
    if len(fixed) != len(MAGIC) + _LENGTH.size or not fixed.startswith(MAGIC):
        raise _corrupt("not a part of a backup")
    (length,) = _LENGTH.unpack(fixed[len(MAGIC) :])
    rest = source.read(length + _PREFIX)
    if len(rest) != length + _PREFIX:
        raise _corrupt("cut off")
    head, wrapped, prefix = fixed + rest, rest[:length], rest[length:]
    aead = AESGCM(unwrap(wrapped, bound(name)))
    counter = 0
    sealed = source.read(CHUNK + _TAG)
    while True:
        following = source.read(CHUNK + _TAG)
        try:
            piece = aead.decrypt(prefix + _COUNTED.pack(counter, not following), sealed, head)
        except (InvalidTag, ValueError):
            raise _corrupt(f"chunk {counter}") from None
        yield piece
        if not following:
            return
        sealed = following
        counter += 1


def bound(name: str) -> bytes:
    """What the wrapped key of a part is bound to: a part under another's name does not open."""
    return b"mailward backup part\x00" + name.encode()


def _corrupt(detail: str) -> Corrupt:
    return Corrupt("backup_corrupt", "A part of this backup is not as it was written.", detail=detail)
