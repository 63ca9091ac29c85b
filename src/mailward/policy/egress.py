"""Which addresses we may connect to. The one place that answers, for SMTP and for webhooks.

An address is judged in every form it can carry: an IPv4 address hides inside IPv6 as
v4-mapped, v4-compatible, NAT64, 6to4, ISATAP or Teredo, and Python's `is_global` sees none
of them. Anything that is not plainly public is refused unless a listed network contains
the address itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Allow:
    """Connect, and only to `address`: its canonical spelling, the one that was judged."""

    address: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """Do not connect. `reason` is a stable name, `text` a sentence for the tenant, without internals."""

    reason: str
    text: str


NOT_AN_ADDRESS = "not_an_address"

# (network, reason). IANA special-purpose registries of 2024 for both families, and what clouds use for metadata.
_V4 = tuple(
    (IPv4Network(network), reason)
    for network, reason in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier_grade_nat"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.169.254/32", "metadata"),
        ("169.254.0.0/16", "link_local"),
        ("168.63.129.16/32", "metadata"),  # Azure's wire server, in public space
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "documentation"),
        ("192.31.196.0/24", "reserved"),
        ("192.52.193.0/24", "reserved"),
        ("192.88.99.0/24", "reserved"),
        ("192.168.0.0/16", "private"),
        ("192.175.48.0/24", "reserved"),
        ("198.18.0.0/15", "benchmark"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
_V6 = tuple(
    (IPv6Network(network), reason)
    for network, reason in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("100::/64", "discard"),
        ("2001:2::/48", "benchmark"),
        ("2001:db8::/32", "documentation"),
        ("2001:10::/28", "reserved"),
        ("2001:20::/28", "reserved"),
        ("2001:30::/28", "reserved"),
        ("2001:1::/32", "reserved"),
        ("2001:3::/32", "reserved"),
        ("2001:4:112::/48", "reserved"),
        ("2620:4f:8000::/48", "reserved"),
        ("3fff::/20", "documentation"),
        ("5f00::/16", "reserved"),
        ("fd00:ec2::254/128", "metadata"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link_local"),
        ("fec0::/10", "site_local"),
        ("ff00::/8", "multicast"),
    )
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_MAPPED = IPv6Network("::ffff:0:0/96")
_TRANSLATED = IPv6Network("::ffff:0:0:0/96")  # SIIT, RFC 2765
_COMPATIBLE = IPv6Network("::/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")  # RFC 8215
_SIX_TO_FOUR = IPv6Network("2002::/16")
_TEREDO = IPv6Network("2001::/32")


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """Networks from settings; ValueError names the one that is wrong."""
    return tuple(ip_network(text, strict=True) for text in texts)


def judge(ip: str | Address, allow_networks: Sequence[Network] = ()) -> Allow | Refuse:
    """May we connect to this address? `allow_networks` are exceptions the operator listed.

    Text that is not an address in its strict form (octal, hexadecimal, short or with a zone) is refused.
    """
    return _judge(str(ip), tuple(allow_networks))


@lru_cache(maxsize=4096)
def _judge(text: str, allow_networks: tuple[Network, ...]) -> Allow | Refuse:
    if "%" in text:
        return Refuse("zoned", "An address with a zone is not a public address.")
    try:
        address = ip_address(text)
    except ValueError:
        return Refuse(NOT_AN_ADDRESS, "That is not an IP address.")
    if _listed(address, allow_networks):
        return Allow(str(address))
    inner = embedded(address)
    if isinstance(address, IPv6Address) and address in _MAPPED and _listed(inner[0], allow_networks):
        return Allow(str(address))
    for candidate in (address, *inner):
        reason = _special(candidate, carrier=bool(inner) and candidate is address)
        if reason:
            return Refuse(reason, f"The target's address is not public ({reason.replace('_', ' ')}).")
    return Allow(str(address))


def _listed(address: Address, allowed: tuple[Network, ...]) -> bool:
    return any(network.version == address.version and address in network for network in allowed)


def embedded(address: Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses an IPv6 address stands for; a Teredo address stands for two."""
    if isinstance(address, IPv4Address):
        return ()
    value = int(address)
    low = IPv4Address(value & 0xFFFFFFFF)
    if address in _TEREDO:
        return IPv4Address(~value & 0xFFFFFFFF), IPv4Address(value >> 64 & 0xFFFFFFFF)
    if address in _SIX_TO_FOUR:
        return (IPv4Address(value >> 80 & 0xFFFFFFFF),)
    if address in _MAPPED or address in _TRANSLATED or address in _NAT64 or address in _NAT64_LOCAL:
        return (low,)
    if address in _COMPATIBLE and value > 1:
        return (low,)
    if value >> 32 & 0xFFFFFFFF in (0x00005EFE, 0x02005EFE):  # ISATAP, RFC 5214 section 6.1
        return (low,)
    return ()


def _special(address: Address, *, carrier: bool) -> str:
    """The reason an address is not public, or ''. A `carrier` is judged by what it carries, if at all usable."""
    if isinstance(address, IPv4Address):
        return next((reason for network, reason in _V4 if address in network), "")
    for network, reason in _V6:
        if address in network:
            return reason
    if address in _NAT64_LOCAL or address in _COMPATIBLE or address in _TRANSLATED:
        return "reserved"  # local use by definition, or long withdrawn: never a public target
    if carrier and (address in _MAPPED or address in _NAT64):
        return ""
    return "" if address in _GLOBAL_UNICAST else "reserved"
