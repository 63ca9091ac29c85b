"""Fresh signing keys. Making them takes a tenth of a second and more: never inside a transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from mailward.base import ids
from mailward.base.errors import LimitReached
from mailward.base.sources import Entropy
from mailward.core.domains.model import KeyPair, KeyState
from mailward.core.domains.ports import DomainsTx

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class FreshKeys:
    """Both keys of a pair that has no selector yet; private halves sealed."""

    rsa_public: bytes
    ed25519_public: bytes
    rsa_sealed: bytes = field(repr=False)
    ed25519_sealed: bytes = field(repr=False)


def fresh_keys(seal: Callable[[bytes], bytes]) -> FreshKeys:
    """Make RSA-2048 (RFC 8301 section 3.2) and Ed25519 (RFC 8463) keys. Blocks, with the GIL released."""
    rsa = generate_private_key(public_exponent=65537, key_size=2048)
    ed25519 = Ed25519PrivateKey.generate()
    return FreshKeys(
        rsa.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        ed25519.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw),
        seal(rsa.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())),
        seal(ed25519.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())),
    )


async def install_keys(
    tx: DomainsTx, domain: str, name: str, fresh: FreshKeys, *, now: datetime, entropy: Entropy
) -> KeyPair:
    """Give fresh keys a selector that this name never had, in any workspace, and keep them."""
    for letter in _LETTERS:
        stem = f"mw{now:%Y%m}{letter}"
        if await tx.domains.take_selector(name, stem):
            break
    else:
        raise LimitReached("too_many_rotations", "This domain had 26 sets of keys this month.", retry_after=86_400.0)
    pair = KeyPair(
        id=ids.new("key", now, entropy),
        stem=stem,
        state=KeyState.PUBLISHING,
        rsa_public=fresh.rsa_public,
        ed25519_public=fresh.ed25519_public,
        rsa_sealed=fresh.rsa_sealed,
        ed25519_sealed=fresh.ed25519_sealed,
        created=now,
        changed=now,
    )
    await tx.domains.insert_pair(domain, pair)
    return pair
