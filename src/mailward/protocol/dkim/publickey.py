"""Reading a published key (RFC 6376 sections 3.6.1 and 6.1.2, RFC 8301, RFC 8463)."""

from __future__ import annotations

import binascii
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from mailward.protocol.dkim import tags
from mailward.protocol.dkim.signature import Broken, Signature

MIN_RSA_BITS = 1024  # RFC 8301 section 3.2
MAX_RSA_BITS = 4096  # verifying costs the verifier


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key and its limits: `testing` is t=y, `strict` is t=s (no sub-domain in i=)."""

    key: rsa.RSAPublicKey | ed25519.Ed25519PublicKey
    bits: int
    testing: bool
    strict: bool

    def verifies(self, value: bytes, data: bytes) -> bool:
        """Whether `value` signs `data`."""
        try:
            if isinstance(self.key, rsa.RSAPublicKey):
                self.key.verify(value, data, padding.PKCS1v15(), hashes.SHA256())
            else:
                self.key.verify(value, hashlib.sha256(data).digest())
        except InvalidSignature:
            return False
        return True


def parse(record: bytes, algorithm: str) -> PublicKey:
    """The key of a TXT record, for a signature under `algorithm`. Raises Broken."""
    found = tags.parse(record)
    if found is None:
        raise Broken("permerror", "key_syntax")
    if b"v" in found and (found[b"v"] != b"DKIM1" or next(iter(found)) != b"v"):
        raise Broken("permerror", "key_version")
    if b"p" not in found:
        raise Broken("permerror", "key_syntax")
    kind = found.get(b"k", b"rsa")
    if algorithm.partition("-")[0].encode("ascii") != kind:
        raise Broken("permerror", "key_type_mismatch")
    if b"h" in found and b"sha256" not in tags.squeeze(found[b"h"]).split(b":"):
        raise Broken("permerror", "key_hash_mismatch")
    if b"s" in found and not {b"*", b"email"} & set(tags.squeeze(found[b"s"]).split(b":")):
        raise Broken("permerror", "key_service_mismatch")
    flags = tags.squeeze(found.get(b"t", b"")).split(b":")
    packed = tags.squeeze(found[b"p"])
    if not packed:
        raise Broken("permerror", "key_revoked")
    try:
        raw = binascii.a2b_base64(packed, strict_mode=True)
        key = ed25519.Ed25519PublicKey.from_public_bytes(raw) if kind == b"ed25519" else _rsa(raw)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Broken("permerror", "key_syntax") from error
    bits = key.key_size if isinstance(key, rsa.RSAPublicKey) else 256
    if isinstance(key, rsa.RSAPublicKey) and not MIN_RSA_BITS <= bits <= MAX_RSA_BITS:
        raise Broken("permerror", "key_too_short" if bits < MIN_RSA_BITS else "key_too_long")
    return PublicKey(key, bits, testing=b"y" in flags, strict=b"s" in flags)


def _rsa(raw: bytes) -> rsa.RSAPublicKey:
    key = serialization.load_der_public_key(raw)
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("not an RSA key")
    return key


def check_identity(signature: Signature, key: PublicKey) -> None:
    """t=s: i= and d= name the same domain (section 3.6.1)."""
    if key.strict and signature.identity.rpartition("@")[2].lower() != signature.domain:
        raise Broken("permerror", "identity_not_exact")
