"""Ed25519: what signs the heads of the audit log, and what signs the manifests of backups."""

from __future__ import annotations

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class LogSigner:
    """The log's key. Its name derives from the public key, so it needs no setting and no two logs share it."""

    __slots__ = ("_key", "log", "public_key")

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key = self._key.public_key().public_bytes_raw()
        self.log = "mailward.audit/" + hashlib.sha256(self.public_key).hexdigest()[:16]

    def sign(self, message: bytes) -> bytes:
        """Ed25519 signature (RFC 8032), 64 bytes."""
        return self._key.sign(message)


class BackupSigner:
    """Signs manifests of backups. Its key derives from the root secret, so a restored installation has it again."""

    __slots__ = ("_key",)

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    def sign(self, message: bytes) -> bytes:
        """Ed25519 signature (RFC 8032), 64 bytes."""
        return self._key.sign(message)

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Whether it is ours."""
        try:
            self._key.public_key().verify(signature, message)
        except InvalidSignature:
            return False
        return True
