"""Who counts as one source of requests, connections and guesses."""

from __future__ import annotations

import ipaddress
from functools import lru_cache


@lru_cache(maxsize=8192)
def source_of(ip: str) -> str:
    """What stands for an address in limits: who has one IPv6 address has the 2^64 beside it, too.

    An IPv4 address written as IPv6 is the IPv4 address; what is no address stands for itself.
    """
    if ":" not in ip:
        return ip
    try:
        address = ipaddress.IPv6Address(ip)
    except ValueError:
        return ip
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Address(int(address) >> 64 << 64))
