"""The `[tls.acme]` section: certificates from an ACME authority.

[tls.acme]
directory = "https://acme.example/directory"
agree_terms = true
contact = "hostmaster@example.com"

[tls.acme.dns]                     # for challenge = "dns-01"
server = "192.0.2.53:53"
zone = "example.com"
key = "mailward."
secret_file = "/run/secrets/tsig"
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import msgspec

from mailward.app.forms import Each, OneOf, Place, Secret, Server, Text, Within, Written

CHALLENGES = ("http-01", "dns-01")
KEYS = ("ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072", "rsa-4096")
ALGORITHMS = ("hmac-sha256", "hmac-sha384", "hmac-sha512", "hmac-sha224", "hmac-sha1")
_NAME = re.compile(r"(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class AcmeDns(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Dynamic update (RFC 2136) of the zone where `_acme-challenge` records go, signed with a shared key (TSIG)."""

    server: Annotated[str, Server()] = ""
    """`address` or `address:port` of the primary."""
    zone: Annotated[str, Written(r"[A-Za-z0-9_.-]{1,254}", "the name of a zone")] = ""
    key: Annotated[str, Written(r"\S{1,255}", "the name of a key")] = ""
    """The key's name, as the server knows it."""
    secret: Annotated[str, Secret()] = ""
    """Base64. Better in a file:"""
    secret_file: Annotated[str, Place()] = ""
    algorithm: Annotated[str, OneOf(ALGORITHMS)] = "hmac-sha256"
    wait_seconds: Annotated[float, Within(0, 3600)] = 5.0
    """From the update to the authority's question: as long as secondaries take to follow."""

    def read_secret(self) -> str:
        """The secret. OSError when its file cannot be read."""
        return Path(self.secret_file).read_text("ascii").strip() if self.secret_file else self.secret


class Acme(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Where certificates are ordered. Without `directory` nowhere."""

    directory: Annotated[str, Text()] = ""
    """The authority's directory, an https address."""
    contact: Annotated[str, Written(r"(mailto:)?[^\s@]+@[^\s@]+", "a mail address")] = ""
    """A mail address for the authority."""
    names: Annotated[list[str], Each(Text(253))] = msgspec.field(default_factory=list)
    """Default: the host name, and the host of `http.public_url`."""
    challenge: Annotated[str, OneOf(CHALLENGES)] = "http-01"
    agree_terms: bool = False
    """The authority's terms were read and are agreed to."""
    key_type: Annotated[str, OneOf(KEYS)] = "ecdsa-p256"
    """Of a certificate's key; every certificate has a new one."""
    ca: Annotated[str, Place()] = ""
    """PEM file with the authority that vouches for the directory itself; empty: the system's."""
    account_id: Annotated[str, Text()] = ""
    """External account binding: the key identifier that the authority gave out."""
    account_secret_file: Annotated[str, Place()] = ""
    """External account binding: a file with its key, base64url."""
    dns: AcmeDns = msgspec.field(default_factory=AcmeDns)


def check_acme(acme: Acme, own: bool) -> str:
    """What is wrong with the section, or "". `own`: certificate files are set, too."""
    if not acme.directory:
        return ""
    if own:
        return "tls: either tls.certificate or tls.acme.directory, not both"
    if not acme.directory.startswith("https://"):
        return "tls.acme.directory: an https address"
    if not acme.agree_terms:
        return "tls.acme.agree_terms: read the authority's terms, then set it to true"
    if acme.challenge not in CHALLENGES:
        return f"tls.acme.challenge: choose from {', '.join(CHALLENGES)}"
    if acme.key_type not in KEYS:
        return f"tls.acme.key_type: choose from {', '.join(KEYS)}"
    for name in acme.names:
        if not _NAME.fullmatch(name) or len(name) > 253:
            return f"tls.acme.names: {name!r} is not a host name"
        if name.startswith("*.") and acme.challenge != "dns-01":
            return f"tls.acme.names: {name} needs the challenge dns-01"
    if bool(acme.account_id) != bool(acme.account_secret_file):
        return "tls.acme: set both account_id and account_secret_file, or neither"
    return _check_dns(acme.dns) if acme.challenge == "dns-01" else ""


def _check_dns(dns: AcmeDns) -> str:
    if not (dns.server and dns.zone and dns.key):
        return "tls.acme.dns: dns-01 needs server, zone and key"
    if bool(dns.secret) == bool(dns.secret_file):
        return "tls.acme.dns: set secret_file, or secret"
    if dns.algorithm not in ALGORITHMS:
        return f"tls.acme.dns.algorithm: choose from {', '.join(ALGORITHMS)}"
    return ""
