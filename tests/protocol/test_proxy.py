"""The PROXY header of version 2, octet by octet."""

from __future__ import annotations

import socket
import struct

import pytest

from mailward.protocol.proxy import LENGTH_MAX, SIGNATURE, BadProxyHeader, Proxied, read

PORTS = struct.pack("!HH", 40000, 25)
V4 = SIGNATURE + b"\x21\x11\x00\x0c" + socket.inet_aton("203.0.113.9") + socket.inet_aton("192.0.2.1") + PORTS


def v6(source: str) -> bytes:
    addresses = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    return SIGNATURE + b"\x21\x21\x00\x24" + addresses + PORTS


def test_addresses_of_both_families() -> None:
    """Source and destination are read, and a v4-mapped IPv6 address is written as IPv4."""
    assert read(V4) == Proxied(("203.0.113.9", 40000), ("192.0.2.1", 25), len(V4))
    assert read(v6("2001:db8::9")) == Proxied(("2001:db8::9", 40000), ("2001:db8::1", 25), 52)
    mapped = read(v6("::ffff:203.0.113.9"))
    assert mapped is not None and mapped.source == ("203.0.113.9", 40000)


def test_every_cut_waits_and_what_follows_is_left() -> None:
    """Any proper beginning waits for more; octets behind the header belong to the next protocol."""
    for n in range(len(V4)):
        assert read(V4[:n]) is None
    found = read(V4 + b"EHLO x\r\n")
    assert found is not None and found.length == len(V4)


@pytest.mark.parametrize(
    "data",
    [
        b"EHLO", b"\r\n\r\nX", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
        SIGNATURE + b"\x11\x11\x00\x0c", SIGNATURE + b"\x22\x11\x00\x0c", SIGNATURE + b"\x21\x12\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x11\x00\x0b" + bytes(11), SIGNATURE + b"\x21\x31\x00\xd8" + bytes(216),
        SIGNATURE + b"\x21\x11" + struct.pack("!H", LENGTH_MAX + 1),
    ],
)  # fmt: skip
def test_what_is_no_header(data: bytes) -> None:
    """Another signature, version, command, transport or length is an error, at the first octet that shows it."""
    with pytest.raises(BadProxyHeader):
        read(data)
