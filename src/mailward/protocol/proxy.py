"""The PROXY protocol, version 2: how a load balancer says whose connection it passes on.

The header is binary, fixed in shape, and comes before anything else (the specification of HAProxy, section 2.2).
Whoever may send it decides what address everything after it is judged by, so it is read from listed peers only,
and a listed peer has to send it.
"""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_FIXED = 16  # signature, version and command, family and transport, length
# An address pair takes 36 octets; the rest is extensions (TLVs), of which real balancers send some hundred octets.
LENGTH_MAX = 2048
_TCP4, _TCP6 = 0x11, 0x21


class BadProxyHeader(ValueError):
    """Not a version 2 header for a TCP connection; the connection has to be closed."""


class Proxied(NamedTuple):
    """A whole header. `source` and `destination` are (address, port), or None for the balancer's own connection.

    `length` is how many octets the header took: what follows belongs to the next protocol.
    """

    source: tuple[str, int] | None
    destination: tuple[str, int] | None
    length: int


def read(data: bytes) -> Proxied | None:
    """The header at the start of `data`; None while it is not whole. Raises BadProxyHeader."""
    if data[: len(SIGNATURE)] != SIGNATURE[: len(data)]:
        raise BadProxyHeader("signature")
    if len(data) < _FIXED:
        return None
    version_command, family = data[12], data[13]
    size = int.from_bytes(data[14:16], "big")
    if version_command not in (0x20, 0x21):
        raise BadProxyHeader("version or command")
    if size > LENGTH_MAX:
        raise BadProxyHeader("length")
    whole = _FIXED + size
    if len(data) < whole:
        return None
    if version_command == 0x20:  # LOCAL: a health check of the balancer's, the real addresses are the true ones
        return Proxied(None, None, whole)
    octets = {_TCP4: 4, _TCP6: 16}.get(family)
    if octets is None or size < 2 * octets + 4:
        raise BadProxyHeader("family")
    at = _FIXED
    source = _text(data[at : at + octets])
    destination = _text(data[at + octets : at + 2 * octets])
    at += 2 * octets
    ports = int.from_bytes(data[at : at + 2], "big"), int.from_bytes(data[at + 2 : at + 4], "big")
    return Proxied((source, ports[0]), (destination, ports[1]), whole)


def _text(packed: bytes) -> str:
    address = ipaddress.ip_address(packed)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
