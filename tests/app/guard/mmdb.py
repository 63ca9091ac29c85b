"""Writes a MaxMind DB of a few IPv4 networks: as much of the format (2.0) as tests need."""

from __future__ import annotations

import ipaddress
import struct
from pathlib import Path
from typing import Any

_MARKER = b"\xab\xcd\xefMaxMind.com"


def _encode(value: Any) -> bytes:
    """Map 7, text 2, double 3, unsigned 32 6, array 11 (extended)."""
    if isinstance(value, dict):
        return _head(7, len(value)) + b"".join(_encode(k) + _encode(v) for k, v in value.items())
    if isinstance(value, str):
        raw = value.encode()
        return _head(2, len(raw)) + raw
    if isinstance(value, float):
        return _head(3, 8) + struct.pack(">d", value)
    if isinstance(value, list):
        return _head(11, len(value)) + b"".join(_encode(v) for v in value)
    raw = int(value).to_bytes(4, "big")
    return _head(6, 4) + raw


def _head(kind: int, size: int) -> bytes:
    extended = bytes([kind - 7]) if kind > 7 else b""
    first = 0 if kind > 7 else kind << 5
    return bytes([first | size]) + extended if size < 29 else bytes([first | 29]) + extended + bytes([size - 29])


def write(path: Path, networks: dict[str, dict[str, Any]]) -> Path:
    """A database with records of 32 bits."""
    tree: list[list[Any]] = [[None, None]]
    data = b""
    for text, record in networks.items():
        network = ipaddress.IPv4Network(text)
        bits = f"{int(network.network_address):032b}"[: network.prefixlen]
        node = 0
        for bit in bits[:-1]:
            if tree[node][int(bit)] is None:
                tree.append([None, None])
                tree[node][int(bit)] = len(tree) - 1
            node = tree[node][int(bit)]
        tree[node][int(bits[-1])] = ("data", len(data))
        data += _encode(record)
    count = len(tree)

    def slot(value: Any) -> int:
        if value is None:
            return count
        return int(count + 16 + value[1] if isinstance(value, tuple) else value)

    nodes = b"".join(struct.pack(">II", slot(a), slot(b)) for a, b in tree)
    about = {
        "node_count": count, "record_size": 32, "ip_version": 4, "database_type": "Test", "languages": ["en"],
        "binary_format_major_version": 2, "binary_format_minor_version": 0, "build_epoch": 1, "description": {},
    }  # fmt: skip
    path.write_bytes(nodes + bytes(16) + data + _MARKER + _encode(about))
    return path
