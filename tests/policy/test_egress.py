"""Which addresses may be dialled, in every spelling an address has."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest

from mailward.policy.egress import Allow, Refuse, judge, networks

PRIVATE = ["127.0.0.1", "10.0.0.1", "172.16.5.5", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
           "224.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1", "240.0.0.1", "168.63.129.16",
           "192.0.0.192"]  # fmt: skip


def spellings(ip: str) -> list[str]:
    """An IPv4 address in each IPv6 form that ends up at it."""
    value = int(IPv4Address(ip))

    def six(number: int) -> str:
        return str(IPv6Address(number))

    return [
        ip,
        f"::ffff:{ip}",
        six(0xFFFF << 32 | value),
        six(0xFFFF << 48 | value),
        six(value),
        six(0x0064FF9B << 96 | value),
        six(0x0064FF9B0001 << 80 | value),
        six(0x2002 << 112 | value << 80 | 1),
        six(0x20010000 << 96 | 0x08080808 << 64 | (~value & 0xFFFFFFFF)),
        six(0x20010000 << 96 | value << 64 | (~0x08080808 & 0xFFFFFFFF)),
        six(0x2606470000000000 << 64 | 0x00005EFE << 32 | value),
        six(0x2606470000000000 << 64 | 0x02005EFE << 32 | value),
    ]


@pytest.mark.asvs("1.3.6")
@pytest.mark.parametrize("ip", [s for p in PRIVATE for s in spellings(p)])
def test_hidden_private_addresses_are_refused(ip: str) -> None:
    """A private address is refused in every form that carries it."""
    assert isinstance(judge(ip), Refuse)


@pytest.mark.parametrize(
    "ip",
    ["::", "::1", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "100::1", "3fff::1",
     "64:ff9b:1::808:808", "4000::1", "5f00::1", "2001:2::1", "2001:20::1"],
)  # fmt: skip
def test_special_ipv6_is_refused(ip: str) -> None:
    """Loopback, link-local, site-local, unique local, multicast, documentation and unassigned space are refused."""
    assert isinstance(judge(ip), Refuse)


@pytest.mark.parametrize(
    "text",
    ["", "localhost", "0177.0.0.1", "0x7f.0.0.1", "2130706433", "127.1", "127.0.0.1 ", "127.0.0.1\n", "fe80::1%eth0",
     "[::1]", "1.2.3.4.5", "::ffff:999.1.1.1", "8.8.8.8/32"],
)  # fmt: skip
def test_other_spellings_are_not_addresses(text: str) -> None:
    """Octal, hexadecimal, short, zoned and bracketed forms are not addresses at all."""
    assert isinstance(judge(text), Refuse)


@pytest.mark.parametrize(
    "ip", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "2a00:1450:4001::1a", "64:ff9b::808:808", "::ffff:8.8.8.8"]
)
def test_public_addresses_are_allowed(ip: str) -> None:
    """What is plainly public may be dialled, also through NAT64."""
    assert isinstance(judge(ip), Allow)


def test_listed_networks_are_exceptions() -> None:
    """A listed network opens itself, also v4-mapped, and nothing beside it."""
    allow = networks(["10.1.0.0/16", "::1/128"])
    assert judge("10.1.2.3", allow) == Allow("10.1.2.3")
    assert isinstance(judge("::ffff:10.1.2.3", allow), Allow)
    assert isinstance(judge("::1", allow), Allow)
    assert isinstance(judge("10.2.0.1", allow), Refuse)
    assert isinstance(judge("64:ff9b::a01:203", allow), Refuse)
    assert isinstance(judge("127.0.0.1", allow), Refuse)
