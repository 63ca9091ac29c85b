"""What TLS means for one delivery: how much is asked of it, and what follows when it fails."""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import NamedTuple


class TlsPolicy(StrEnum):
    """How a hop must be protected."""

    NONE = "none"  # never, even when offered (a relay on loopback)
    OPPORTUNISTIC = "opportunistic"  # whenever offered; in clear rather than not at all (RFC 7435)
    ENCRYPT = "encrypt"  # always, with any certificate
    VERIFY = "verify"  # always, with a certificate for the host's name


class TlsFacts(NamedTuple):
    """What the handshake showed. `verified` is about names and chain; when False, `reason` says why."""

    version: str
    cipher: str
    subject: str
    names: tuple[str, ...]
    verified: bool
    reason: str


class AfterFailure(Enum):
    """What to do when a handshake fails."""

    RETRY_IN_CLEAR = "retry_in_clear"
    NEXT_HOST = "next_host"


def after_failed_handshake(policy: TlsPolicy) -> AfterFailure:
    """Only an opportunistic hop falls back to clear text, and on a new connection (RFC 3207 section 4.1)."""
    return AfterFailure.RETRY_IN_CLEAR if policy is TlsPolicy.OPPORTUNISTIC else AfterFailure.NEXT_HOST
