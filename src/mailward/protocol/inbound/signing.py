"""Headers of a hand-over: Standard Webhooks 1.0.0 by HMAC or by ed25519, in both header families.

One secret is 32 octets. As `whsec_` it keys an HMAC; as `whsk_` it is the seed of an ed25519 key whose public half,
`whpk_`, is what the receiver is given. During a rotation each secret adds a signature.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mailward.protocol import webhooks as standard

PUBLIC_PREFIX = "whpk_"


def public_key(seed: bytes) -> str:
    """The form a receiver verifies with: `whpk_` and base64 of the 32 octets."""
    raw = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return PUBLIC_PREFIX + base64.b64encode(raw).decode("ascii")


def sign_ed25519(seed: bytes, id: str, timestamp: int, body: bytes) -> str:
    """`v1a,<base64>` over `{id}.{timestamp}.{body}`; timestamp in unix seconds."""
    signed = b"%s.%d.%s" % (id.encode("ascii"), timestamp, body)
    return "v1a," + base64.b64encode(Ed25519PrivateKey.from_private_bytes(seed).sign(signed)).decode("ascii")


def headers(
    secrets: Sequence[bytes], id: str, timestamp: int, body: bytes, *, ed25519: bool = False
) -> list[tuple[str, str]]:
    """Headers of one attempt, in both name families."""
    if not ed25519:
        return standard.headers(secrets, id, timestamp, body)
    signature = " ".join(sign_ed25519(s, id, timestamp, body) for s in secrets)
    values = (("id", id), ("timestamp", str(timestamp)), ("signature", signature))
    return [(f"{family}-{name}", value) for family in ("webhook", "svix") for name, value in values]


def basic(user: str, password: str) -> str:
    """The value of Authorization for credentials that stood in a URL (RFC 7617), UTF-8."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
