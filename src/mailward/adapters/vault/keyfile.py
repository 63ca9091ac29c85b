"""The local key file: versions of the key-encryption key in one file of mode 0600.

Anyone who reads this file and the data reads everything, so start is refused when
others may read it. It is JSON, keys in base64. A wrapped value is
`MWK1 | version u32 | nonce 12 | ciphertext+tag`.
"""

from __future__ import annotations

import struct
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mailward.adapters.vault.files import Identity, away, identity, locked, read_private, write_private
from mailward.base.errors import Conflict, Corrupt
from mailward.base.sources import Entropy

_HEAD = struct.Struct(">4sI")
_MAGIC = b"MWK1"
_SMALLEST = _HEAD.size + 12 + 16


class _Version(msgspec.Struct, forbid_unknown_fields=True):
    created: datetime
    key: bytes


class _Content(msgspec.Struct, forbid_unknown_fields=True, tag_field="format", tag="mailward-key-file/1"):
    current: int
    versions: dict[int, _Version]


class KeyFile:
    """The key service of an installation that has none. Several processes may use the same file.

    Before each wrap, and on meeting a version it does not know, it looks whether the file
    was replaced: a rotation in another process needs no restart of this one.
    """

    def __init__(self, path: Path, entropy: Entropy, *, now: datetime) -> None:
        """Use the file, made with a first key when there is none. Unavailable when it is unsafe or damaged."""
        self._path = path
        self._entropy = entropy
        self._keys: dict[int, AESGCM] = {}
        self._current = 0
        self._seen: Identity | None = None
        with locked(path.parent):
            if not path.exists():
                if any(path.parent.glob("*.wrapped")):
                    raise away(f"{path} is missing, and there are secrets that only it opens: restore it")
                self._store(_Content(1, {1: _Version(now, entropy.bytes(32))}))
        self._load()

    @property
    def current(self) -> int:
        """The version that wraps now."""
        self._refresh()
        return self._current

    @property
    def versions(self) -> list[int]:
        """Versions not retired."""
        self._refresh()
        return sorted(self._keys)

    async def wrap(self, plaintext: bytes, aad: bytes) -> bytes:
        """See KeyService."""
        return self.wrap_now(plaintext, aad)

    async def unwrap(self, wrapped: bytes, aad: bytes) -> bytes:
        """See KeyService."""
        return self.unwrap_now(wrapped, aad)

    async def rotate(self, *, now: datetime) -> int:
        """See KeyService."""
        with locked(self._path.parent):
            content = self._read()[0]
            version = max(content.versions) + 1
            content.versions[version] = _Version(now, self._entropy.bytes(32))
            content.current = version
            self._store(content)
        self._load()
        return version

    async def retire(self, version: int) -> None:
        """See KeyService. What is still wrapped under that version is lost: re-wrap first."""
        with locked(self._path.parent):
            content = self._read()[0]
            if version == content.current:
                raise Conflict("key_in_use", "The current version of the key cannot be retired.")
            if content.versions.pop(version, None) is not None:
                self._store(content)
        self._load()

    def version_of(self, wrapped: bytes) -> int:
        """See KeyService."""
        if len(wrapped) < _SMALLEST or wrapped[:4] != _MAGIC:
            raise Corrupt("key_corrupt", "A stored key failed its check.", detail="not a wrapped key")
        return int(_HEAD.unpack_from(wrapped)[1])

    def wrap_now(self, plaintext: bytes, aad: bytes) -> bytes:
        """`wrap` without a loop, for start-up."""
        self._refresh()
        head = _HEAD.pack(_MAGIC, self._current)
        nonce = self._entropy.bytes(12)
        return head + nonce + self._keys[self._current].encrypt(nonce, plaintext, head + aad)

    def unwrap_now(self, wrapped: bytes, aad: bytes) -> bytes:
        """`unwrap` without a loop, for start-up."""
        version = self.version_of(wrapped)
        if version not in self._keys:
            self._load()
        key = self._keys.get(version)
        if key is None:
            raise Corrupt("key_corrupt", "A stored key failed its check.", detail=f"no key version {version}")
        head, nonce, sealed = wrapped[:8], wrapped[8:20], wrapped[20:]
        try:
            return key.decrypt(nonce, sealed, head + aad)
        except InvalidTag:
            raise Corrupt("key_corrupt", "A stored key failed its check.", detail=f"version {version}") from None

    def _refresh(self) -> None:
        if identity(self._path) != self._seen:
            self._load()

    def _load(self) -> None:
        content, self._seen = self._read()
        self._keys = {n: AESGCM(v.key) for n, v in content.versions.items()}
        self._current = content.current

    def _read(self) -> tuple[_Content, Identity]:
        raw, seen = read_private(self._path)
        try:
            content = msgspec.json.decode(raw, type=_Content)
        except msgspec.MsgspecError as e:
            raise away(f"{self._path} is damaged: {e}") from e
        if content.current not in content.versions or any(len(v.key) != 32 for v in content.versions.values()):
            raise away(f"{self._path} is damaged: no usable current version")
        return content, seen

    def _store(self, content: _Content) -> None:
        write_private(self._path, msgspec.json.format(msgspec.json.encode(content)) + b"\n")
