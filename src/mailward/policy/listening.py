"""What every public listener speaks (HTTPS, submission, submissions, MX): the one place that says so."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ListenerTls:
    """Versions and suites, in OpenSSL's names. Compression and renegotiation are off everywhere, without a setting."""

    oldest: str
    """"TLSv1.2" or "TLSv1.3": the oldest version that is spoken."""
    suites: tuple[str, ...]
    """For TLS 1.2, the best first, and ours is the order that counts. The three of TLS 1.3 that OpenSSL offers by
    itself are strong; a configuration of the system's (OPENSSL_CONF) may add weaker ones: `mailward verify` looks."""


# Mozilla's intermediate profile without finite-field groups (DHE): forward secrecy and authenticated encryption only.
LISTENERS = ListenerTls(
    oldest="TLSv1.2",
    suites=(
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
    ),
)
