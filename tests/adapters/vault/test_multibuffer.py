"""Many signatures at once: the same octets as one by one, and nothing wrong leaves.

What the library computes is shown on processors that it runs on, where it has to be installed.
What is ours about it is shown everywhere, with a library of whole numbers in its place.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from mailward.adapters.vault.multibuffer import MultiBuffer, able, load
from mailward.protocol.dkim.keys import Ed25519Key, RsaKey, SigningKey


def _at(address: int, size: int) -> int:
    return int.from_bytes(ctypes.string_at(address, size), "little")


class _Function:
    """Takes `argtypes` and `restype` as a function of a library does."""

    argtypes: Any = None
    restype: Any = None

    def __init__(self, run: Callable[..., int]) -> None:
        self._run = run

    def __call__(self, *given: Any) -> int:
        return self._run(*given)


class Whole:
    """The library on whole numbers; lanes in `broken` go wrong and say so, those in `silent` do not say so."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []
        self.broken: set[int] = set()
        self.silent: set[int] = set()
        self.mbx_rsa_private_crt_mb8 = _Function(self._private)
        self.mbx_rsa_public_mb8 = _Function(self._public)
        self.mbx_ed25519_sign_mb8 = _Function(self._ed25519)
        self.mbx_RSA2K_private_crt_Method = _Function(lambda: 1)
        self.mbx_RSA2K_pub65537_Method = _Function(lambda: 2)
        self.mbx_RSA_Method_BufSize = _Function(lambda method: 64)

    def _private(self, into: Any, out: Any, *rest: Any) -> int:
        *columns, bits, method, _ = rest
        assert (bits, method) == (2048, 1)
        status = used = 0
        for lane in range(8):
            if into[lane] is None:
                status |= 2 << 4 * lane
                continue
            used += 1
            p, q, dp, dq, iq = (_at(column[lane], 128) for column in columns)
            message = int.from_bytes(ctypes.string_at(into[lane], 256), "big")
            low = pow(message, dq, q)
            made = low + q * (iq * (pow(message, dp, p) - low) % p)
            if lane in self.silent:
                made ^= 1
            if lane in self.broken:
                status |= 4 << 4 * lane
            ctypes.memmove(out[lane], made.to_bytes(256, "big"), 256)
        self.calls.append(("rsa", used))
        return status

    def _public(self, into: Any, out: Any, moduli: Any, bits: int, method: int, _: Any) -> int:
        assert (bits, method) == (2048, 2)
        for lane in (n for n in range(8) if into[n] is not None):
            made = int.from_bytes(ctypes.string_at(into[lane], 256), "big")
            ctypes.memmove(out[lane], pow(made, 65537, _at(moduli[lane], 256)).to_bytes(256, "big"), 256)
        return 0

    def _ed25519(self, r: Any, s: Any, into: Any, lengths: Sequence[int], seeds: Any, publics: Any) -> int:
        used = [n for n in range(8) if into[n] is not None]
        for lane in used:
            key = ed25519.Ed25519PrivateKey.from_private_bytes(ctypes.string_at(seeds[lane], 32))
            assert key.public_key().public_bytes_raw() == ctypes.string_at(publics[lane], 32)
            made = key.sign(ctypes.string_at(into[lane], lengths[lane]))
            ctypes.memmove(r[lane], made[:32], 32)
            ctypes.memmove(s[lane], made[32:], 32)
        self.calls.append(("ed25519", len(used)))
        return 0


@pytest.fixture(scope="module")
def rsa_keys() -> list[RsaKey]:
    return [RsaKey(rsa.generate_private_key(public_exponent=65537, key_size=2048)) for _ in range(3)]


@pytest.fixture(scope="module")
def ed25519_keys() -> list[Ed25519Key]:
    return [Ed25519Key(ed25519.Ed25519PrivateKey.generate()) for _ in range(3)]


@pytest.fixture
def whole() -> Whole:
    return Whole()


@pytest.fixture
def made(whole: Whole) -> MultiBuffer:
    return MultiBuffer(cast(ctypes.CDLL, whole))


def _jobs(count: int, *kinds: Sequence[SigningKey]) -> list[tuple[SigningKey, bytes]]:
    return [(keys[n % len(keys)], b"header %d" % n) for n in range(count) for keys in kinds]


def _alone(jobs: Sequence[tuple[SigningKey, bytes]]) -> list[bytes]:
    return [key.sign(data) for key, data in jobs]


@pytest.mark.claim("EMAIL-2")
def test_the_library_signs_as_openssl_does(rsa_keys: list[RsaKey], ed25519_keys: list[Ed25519Key]) -> None:
    """From one to twenty messages of three domains, both algorithms: octet for octet what each key makes alone."""
    library = load()
    assert (library is not None) == able(), "this processor can: requirements/multibuffer.txt has to be installed"
    if library is None:
        return
    for count in range(1, 21):
        jobs = _jobs(count, rsa_keys, ed25519_keys)
        assert library.sign(jobs) == _alone(jobs), count
    assert library.refused == 0


def test_eight_at_most_are_together_and_a_few_are_not(
    whole: Whole, made: MultiBuffer, rsa_keys: list[RsaKey], ed25519_keys: list[Ed25519Key]
) -> None:
    """Eight lanes a call; what is left over and too little to be worth one is signed by itself."""
    for count, calls in (
        (1, []),
        (2, [("ed25519", 2)]),
        (3, [("rsa", 3), ("ed25519", 3)]),
        (10, [("rsa", 8), ("ed25519", 8), ("ed25519", 2)]),
        (11, [("rsa", 8), ("rsa", 3), ("ed25519", 8), ("ed25519", 3)]),
    ):
        jobs = _jobs(count, rsa_keys, ed25519_keys)
        assert made.sign(jobs) == _alone(jobs)
        assert whole.calls == calls
        whole.calls.clear()
    assert made.sign([]) == []


@pytest.mark.parametrize("how", ["broken", "silent"])
def test_a_signature_that_went_wrong_is_made_again(
    whole: Whole, made: MultiBuffer, rsa_keys: list[RsaKey], how: str
) -> None:
    """Whether the library says so or not: a wrong RSA signature would give the key away, and is seen by nobody."""
    getattr(whole, how).update({1, 4})
    jobs = _jobs(6, rsa_keys)
    assert made.sign(jobs) == _alone(jobs)
    assert (made.made, made.refused) == (4, 2)


def test_other_keys_are_used_one_by_one(whole: Whole, made: MultiBuffer) -> None:
    """Other sizes, other exponents, and a key that a keeper holds: each signs for itself, whatever is beside it."""

    class Kept:
        __slots__ = ()
        algorithm = "rsa-sha256"

        def sign(self, data: bytes) -> bytes:
            return b"kept " + data

    odd = [
        RsaKey(rsa.generate_private_key(public_exponent=65537, key_size=3072)),
        RsaKey(rsa.generate_private_key(public_exponent=3, key_size=2048)),
    ]
    jobs = _jobs(4, odd, [cast(SigningKey, Kept())])
    assert made.sign(jobs) == _alone(jobs)
    assert whole.calls == []


def test_a_dropped_key_leaves_nothing(made: MultiBuffer) -> None:
    """When a domain's keys are read anew, the numbers of the former are overwritten."""
    key = Ed25519Key(ed25519.Ed25519PrivateKey.generate())
    made.sign([(key, b"a"), (key, b"b")])
    (laid,) = made._laid.values()
    seed, room = key.private.private_bytes_raw(), laid._held[0]
    assert room.raw == seed
    del key, laid
    gc.collect()
    assert room.raw == bytes(32)
    assert not made._laid


def test_where_it_is_missing_or_another_library_there_is_none(tmp_path: Path) -> None:
    """No file, and files that are no library, mean signing one by one and no error."""
    assert load(tmp_path) is None
    for name in ("libintlc.so.5", "libirng.so", "libimf.so", "libsvml.so", "libcrypto_mb.so"):
        (tmp_path / name).write_bytes(b"not a library")
    assert load.__wrapped__(tmp_path) is None


@pytest.mark.parametrize(
    ("text", "can"),
    [
        ("processor: 0\nflags\t\t: fpu avx512f avx512ifma sha_ni\n", True),
        ("flags\t\t: fpu avx_ifma\n", True),
        ("flags\t\t: fpu avx2 avx512f\nbugs\t\t: avx512ifma\n", False),
        ("Features\t: asimd\n", False),
    ],
)
def test_what_the_processor_can(tmp_path: Path, text: str, can: bool) -> None:
    """As the kernel lists it; a machine that lists nothing cannot."""
    (tmp_path / "cpuinfo").write_text(text)
    assert able(tmp_path / "cpuinfo") is can
    assert not able(tmp_path / "none")
