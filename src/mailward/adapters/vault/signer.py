"""Signs the heads of the audit log with Ed25519."""

from __future__ import annotations

import hashlib

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
