"""Sealed parts: they open as they were, or not at all."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mailward.adapters.host.clock import SystemEntropy
from mailward.adapters.storage.backup.sealed import CHUNK, Wrap, seal, unseal
from mailward.base.errors import Corrupt

ENTROPY = SystemEntropy()
NAME = "parts/one.mwb"


def service(key: bytes) -> tuple[Wrap, Wrap]:
    """A key service of one key."""
    aead = AESGCM(key)

    def unwrap(wrapped: bytes, aad: bytes) -> bytes:
        try:
            return aead.decrypt(bytes(12), wrapped, aad)
        except InvalidTag:
            raise Corrupt("key_corrupt", "A stored key failed its check.") from None

    return (lambda plain, aad: aead.encrypt(bytes(12), plain, aad)), unwrap


WRAP, UNWRAP = service(bytes(32))


def sealed(content: bytes, *, piece: int = 100_000) -> bytes:
    out = io.BytesIO()
    pieces: Iterator[bytes] = (content[at : at + piece] for at in range(0, len(content), piece))
    digest, size = seal(pieces, out, name=NAME, wrap=WRAP, entropy=ENTROPY)
    assert size == len(content)
    assert len(digest) == 64
    return out.getvalue()


def opened(octets: bytes, *, name: str = NAME, unwrap: Wrap = UNWRAP) -> bytes:
    return b"".join(unseal(io.BytesIO(octets), name=name, unwrap=unwrap))


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK])
def test_any_size_comes_back(size: int) -> None:
    """Nothing, less than a chunk, exactly one, and more than one."""
    content = ENTROPY.bytes(size)
    assert opened(sealed(content)) == content


@pytest.mark.claim("AVAIL-5")
def test_without_its_key_nothing_opens() -> None:
    """Another key service's key, or the name of another part, opens nothing; and what is sealed shows nothing."""
    octets = sealed(b"a marker that would be found" * 10)
    assert b"a marker" not in octets
    for name, unwrap in ((NAME, service(b"\x01" * 32)[1]), ("parts/two.mwb", UNWRAP)):
        with pytest.raises(Corrupt):
            opened(octets, name=name, unwrap=unwrap)


def test_whatever_is_changed_is_found() -> None:
    """An octet anywhere, a cut at a chunk's end or elsewhere, chunks exchanged or repeated, something added."""
    octets = sealed(ENTROPY.bytes(2 * CHUNK + 10))
    head = len(octets) - (2 * (CHUNK + 16) + 10 + 16)
    first, second = octets[head : head + CHUNK + 16], octets[head + CHUNK + 16 : head + 2 * (CHUNK + 16)]
    rest = octets[head + 2 * (CHUNK + 16) :]
    assert opened(octets[:head] + first + second + rest)
    changed = [
        octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :] for at in (0, 5, 9, head - 1, head, -3 % len(octets))
    ]
    changed += [octets[: head + CHUNK + 16], octets[:-1], octets[:head], octets[:3], b"", octets + b"x"]
    changed += [octets[:head] + second + first + rest, octets[:head] + first + first + rest]
    for wrong in changed:
        with pytest.raises(Corrupt):
            opened(wrong)
