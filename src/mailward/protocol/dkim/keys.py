"""Signing keys and the DNS records that publish them (RFC 6376 section 3.6.1, RFC 8463)."""

from __future__ import annotations

import base64
import hashlib
from typing import Literal, Protocol, TypeAlias

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

Algorithm: TypeAlias = Literal["rsa-sha256", "ed25519-sha256"]

RSA_BITS = 2048


class SigningKey(Protocol):
    """A private key, here or with a keeper that signs on request."""

    @property
    def algorithm(self) -> Algorithm: ...

    def sign(self, data: bytes) -> bytes:
        """The raw signature of `data` (not hashed yet) under `algorithm`."""
        ...


class RsaKey:
    """An RSA key in this process: PKCS #1 v1.5 over SHA-256."""

    __slots__ = ("__weakref__", "_hash", "_key", "_padding")
    algorithm: Algorithm = "rsa-sha256"

    def __init__(self, key: rsa.RSAPrivateKey) -> None:
        self._key = key
        self._padding = padding.PKCS1v15()
        self._hash = hashes.SHA256()

    @property
    def private(self) -> rsa.RSAPrivateKey:
        """The key itself, for a signer of many messages at once."""
        return self._key

    def sign(self, data: bytes) -> bytes:
        """See SigningKey."""
        return self._key.sign(data, self._padding, self._hash)


class Ed25519Key:
    """An Ed25519 key in this process. RFC 8463 section 3: PureEdDSA over the SHA-256 of the data."""

    __slots__ = ("__weakref__", "_key")
    algorithm: Algorithm = "ed25519-sha256"

    def __init__(self, key: ed25519.Ed25519PrivateKey) -> None:
        self._key = key

    @property
    def private(self) -> ed25519.Ed25519PrivateKey:
        """The key itself, for a signer of many messages at once."""
        return self._key

    def sign(self, data: bytes) -> bytes:
        """See SigningKey."""
        return self._key.sign(hashlib.sha256(data).digest())


def load(private: bytes) -> RsaKey | Ed25519Key:
    """A key from PKCS #8 DER as `generate` made it. ValueError for any other kind."""
    key = serialization.load_der_private_key(private, None)
    if isinstance(key, rsa.RSAPrivateKey):
        return RsaKey(key)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return Ed25519Key(key)
    raise ValueError("neither RSA nor Ed25519")


def generate(algorithm: Algorithm) -> tuple[bytes, str]:
    """A fresh key: (private PKCS #8 DER, its DNS record). Randomness is OpenSSL's own; RSA takes 50 to 500 ms."""
    key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
    if algorithm == "rsa-sha256":
        key = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    else:
        key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private, record(private)


def record(private: bytes) -> str:
    """The TXT record text that publishes the public half of a PKCS #8 DER key."""
    public = serialization.load_der_private_key(private, None).public_key()
    if isinstance(public, ed25519.Ed25519PublicKey):  # RFC 8463 section 4: the bare 32 bytes
        raw, kind = public.public_bytes_raw(), "ed25519"
    else:
        raw = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        kind = "rsa"
    return f"v=DKIM1; k={kind}; p={base64.b64encode(raw).decode('ascii')}"


REVOKED = "v=DKIM1; p="
"""The record of a key that is withdrawn (RFC 6376 section 3.6.1)."""


def strings(text: str) -> list[str]:
    """The character strings of at most 255 bytes a TXT record is made of."""
    return [text[i : i + 255] for i in range(0, len(text), 255)]
