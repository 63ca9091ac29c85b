"""Standard Webhooks 1.0.0: secrets, signatures, headers.

One HMAC under one `whsec_` secret satisfies the verifiers of Standard Webhooks, Svix
and those built on it; they differ in header names only, so both families are sent.
Each attempt is signed afresh, since its timestamp is part of what is signed and
receivers refuse one that is more than five minutes old.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence

from mailward.base.errors import Invalid, Unauthenticated

SECRET_PREFIX = "whsec_"  # noqa: S105 - a public prefix, not a secret
SECRET_BYTES = 32
TOLERANCE_SECONDS = 300


def show_secret(raw: bytes) -> str:
    """The form a person copies: `whsec_` and base64."""
    return SECRET_PREFIX + base64.b64encode(raw).decode("ascii")


def read_secret(text: str) -> bytes:
    """Raw bytes of a `whsec_` secret. Raises Invalid unless it holds 24 to 64 bytes."""
    try:
        raw = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not 24 <= len(raw) <= 64:
        raise Invalid("invalid_secret", "A webhook secret is whsec_ and the base64 of 24 to 64 bytes.", field="secret")
    return raw


def sign(secret: bytes, id: str, timestamp: int, body: bytes) -> str:
    """`v1,<base64>` over `{id}.{timestamp}.{body}`; timestamp in unix seconds."""
    mac = hmac.digest(secret, b"%s.%d.%s" % (id.encode("ascii"), timestamp, body), "sha256")
    return "v1," + base64.b64encode(mac).decode("ascii")


def headers(secrets: Sequence[bytes], id: str, timestamp: int, body: bytes) -> list[tuple[str, str]]:
    """Headers of one attempt, in both name families. During a rotation each secret adds a signature."""
    signature = " ".join(sign(s, id, timestamp, body) for s in secrets)
    values = (("id", id), ("timestamp", str(timestamp)), ("signature", signature))
    return [(f"{family}-{name}", value) for family in ("webhook", "svix") for name, value in values]


def verify(secrets: Sequence[bytes], id: str, timestamp: str, signature: str, body: bytes, *, now: int) -> int:
    """The timestamp of a request that one of the secrets signed. Raises Unauthenticated otherwise."""
    refusal = Unauthenticated("bad_signature", "The webhook signature does not verify.")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12) or not id.isascii():
        raise refusal
    at = int(timestamp)
    if abs(now - at) > TOLERANCE_SECONDS:
        raise refusal
    given = [s.encode("utf-8", "replace") for s in signature.split(" ")[:16]]
    good = [sign(s, id, at, body).encode("ascii") for s in secrets]
    if not any(hmac.compare_digest(a, b) for a in given for b in good):
        raise refusal
    return at
