"""Who asks: `Authorization: Bearer KEY`, or Basic with the user name `api`."""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Sequence

from mailward.base.errors import Unauthenticated
from mailward.edges.web.problems import Answer

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_MAX_CREDENTIAL = 512


def _refusal(detail: str) -> Unauthenticated:
    return Unauthenticated(
        "unauthenticated",
        "Send 'Authorization: Bearer' with an API key that is not revoked.",
        detail=detail,
    )


def token_of(headers: Sequence[tuple[bytes, bytes]]) -> str:
    """The credential of a request. Raises Unauthenticated when there is none, Answer when there are two."""
    found = [value for name, value in headers if name == b"authorization"]
    if not found:
        raise _refusal("no authorization header")
    if len(found) > 1:
        raise Answer("duplicate_header", "The Authorization header appeared twice.")
    value = found[0]
    if len(value) > _MAX_CREDENTIAL:
        raise _refusal("credential too long")
    scheme, _, rest = value.partition(b" ")
    rest = rest.strip()
    match scheme.lower():
        case b"bearer":
            token = rest
        case b"basic":
            token = _basic(rest)
        case _:
            raise _refusal("unknown scheme")
    # Keys are visible ASCII. Whatever else is sent cannot be one and need not reach the look-up.
    if not token or not all(0x21 <= byte <= 0x7E for byte in token):
        raise _refusal("not a key")
    return token.decode("ascii")


def _basic(value: bytes) -> bytes:
    try:
        user, _, password = base64.b64decode(value, validate=True).partition(b":")
    except binascii.Error:
        raise _refusal("basic is not base64") from None
    if user != b"api":
        raise _refusal("basic user is not 'api'")
    return password


class Origin:
    """Where a request comes from. A forwarded address counts only from a proxy that is listed."""

    __slots__ = ("_trusted",)

    def __init__(self, trusted_proxies: Sequence[Network] = ()) -> None:
        self._trusted = tuple(trusted_proxies)

    def of(self, peer: str, scheme: str, headers: Sequence[tuple[bytes, bytes]]) -> tuple[str, bool]:
        """The client's address and whether its connection was private (TLS, or the loopback interface).

        Of X-Forwarded-For only the last entry is read: it is what the trusted proxy itself saw.
        """
        address = _parse(peer)
        if address is None:
            return peer, scheme == "https"
        if self._trusted and any(address in network for network in self._trusted):
            forwarded = [value for name, value in headers if name == b"x-forwarded-for"]
            protocol = [value for name, value in headers if name == b"x-forwarded-proto"]
            seen = _parse(forwarded[-1].rpartition(b",")[2].strip().decode("latin-1")) if forwarded else None
            if seen is not None:
                return str(seen), protocol[-1:] == [b"https"]
        return str(address), scheme == "https" or address.is_loopback


def _parse(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
