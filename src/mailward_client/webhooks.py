"""Verifying webhooks: Standard Webhooks 1.0.0, HMAC-SHA256 under a `whsec_` secret."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

TOLERANCE = 300
"""Seconds a timestamp may be away from now: what is older may be somebody's recording."""


class BadSignature(ValueError):
    """The request was not signed with the secret, or not lately. Answer it with 400 and do nothing else."""


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """A verified event. Delivery is at least once: keep `id`, and drop what comes again."""

    id: str
    type: str
    timestamp: datetime
    data: dict[str, Any]


def verify_webhook(
    body: bytes,
    headers: Mapping[str, str],
    secret: str | Sequence[str],
    *,
    now: float | None = None,
    tolerance: int = TOLERANCE,
) -> WebhookEvent:
    """The event of a request, or BadSignature.

    `body` are the bytes as they came, not JSON encoded again. `headers` may be any mapping; names are compared
    without regard to case. `secret` may be several, while one is being replaced. `now` is in unix seconds.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    id, timestamp, signatures = (_header(lower, name) for name in ("id", "timestamp", "signature"))
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12) or not id.isascii():
        raise BadSignature("the webhook's headers are missing or malformed")
    if abs((time.time() if now is None else now) - int(timestamp)) > tolerance:
        raise BadSignature("the webhook's timestamp is too far from now")
    secrets = [secret] if isinstance(secret, str) else list(secret)
    good = [_sign(_key(s), id, timestamp, body) for s in secrets]
    given = [s.encode("utf-8", "replace") for s in signatures.split(" ")[:16]]
    # Every pair is compared, each in constant time: how long it takes says nothing about which came close.
    if sum(hmac.compare_digest(a, b) for a in given for b in good) == 0:
        raise BadSignature("no signature of the webhook verifies")
    try:
        told = json.loads(body)
        return WebhookEvent(id, str(told["type"]), datetime.fromisoformat(told["timestamp"]), dict(told["data"]))
    except (ValueError, KeyError, TypeError) as e:
        raise BadSignature("the webhook is signed and its body is no event") from e


def _header(headers: Mapping[str, str], name: str) -> str:
    return headers.get(f"webhook-{name}") or headers.get(f"svix-{name}") or ""


def _key(secret: str) -> bytes:
    try:
        raw = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) < 24:
        raise ValueError("a webhook secret is whsec_ and the base64 of at least 24 bytes")
    return raw


def _sign(key: bytes, id: str, timestamp: str, body: bytes) -> bytes:
    mac = hmac.digest(key, b"%s.%s.%s" % (id.encode("ascii"), timestamp.encode("ascii"), body), "sha256")
    return b"v1," + base64.b64encode(mac)
