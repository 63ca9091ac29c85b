"""TXT records of dns-01 challenges by dynamic update (RFC 2136), signed with TSIG (RFC 8945), over TCP.

For a thread: it waits for the server. Only values of our own are added and removed, so that
orders of others for the same name go on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_TTL = 60
_SECONDS = 15.0


class UpdateRefused(Exception):
    """The server did not take the update; the text says why."""


@dataclass(frozen=True, slots=True)
class Zone:
    """Where records go and with which key; `secret` is base64."""

    server: str
    port: int
    name: str
    key: str
    secret: str
    algorithm: str


def publish(zone: Zone, records: Sequence[tuple[str, str]]) -> None:
    """Add TXT values: (owner name, value). Raises UpdateRefused."""
    _update(zone, records, add=True)


def withdraw(zone: Zone, records: Sequence[tuple[str, str]]) -> None:
    """Remove these values. Raises UpdateRefused."""
    _update(zone, records, add=False)


def _update(zone: Zone, records: Sequence[tuple[str, str]], *, add: bool) -> None:
    import dns.exception
    import dns.name
    import dns.query
    import dns.rcode
    import dns.tsigkeyring
    import dns.update

    try:
        ring = dns.tsigkeyring.from_text({zone.key: zone.secret})
        origin = dns.name.from_text(zone.name)
        message = dns.update.UpdateMessage(origin, keyring=ring, keyalgorithm=zone.algorithm)
        for owner, value in records:
            name = dns.name.from_text(owner)
            if not name.is_subdomain(origin):
                raise UpdateRefused(f"{owner} is not in the zone {zone.name}")
            # The challenge's value is base64url: it needs no escapes between its quotes.
            if add:
                message.add(name, _TTL, "TXT", f'"{value}"')
            else:
                message.delete(name, "TXT", f'"{value}"')
        answer = dns.query.tcp(message, zone.server, timeout=_SECONDS, port=zone.port)
    except (dns.exception.DNSException, OSError, ValueError) as e:
        raise UpdateRefused(f"the DNS server {zone.server}: {type(e).__name__}: {e}"[:300]) from e
    if answer.rcode() != dns.rcode.NOERROR:
        raise UpdateRefused(f"the DNS server {zone.server} answers {dns.rcode.to_text(answer.rcode())}")
