"""Signatures for eight messages at once, by the vector instructions of newer processors.

A vector of eight numbers is multiplied in about the time of one, so eight RSA-2048 signatures
of Intel's crypto_mb (in its Cryptography Primitives Library, Apache-2.0) take as long as not
quite three of OpenSSL's. It needs AVX-512 IFMA or AVX-IFMA and is there only where its
distribution is installed (requirements/multibuffer.txt); without it everything is signed by OpenSSL.

Each RSA signature is checked with the public key before anyone sees it: one that went wrong in
one half of the remainder theorem gives the key away (Boneh, DeMillo and Lipton, 1997), and
OpenSSL checks its own for the same reason. The library's time does not depend on the key.
"""

from __future__ import annotations

import ctypes
import hashlib
import sys
from collections.abc import Sequence
from ctypes import c_char, c_int, c_uint32, c_uint64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from mailward.protocol.dkim.keys import RSA_BITS, Ed25519Key, RsaKey, SigningKey

LANES = 8
# From so many on, eight at once take less time than one after the other (measured on a Xeon of 2023: RSA 0.81 ms
# whatever is in the lanes, 0.29 ms alone; Ed25519 0.03 to 0.05 ms, 0.03 ms alone).
_WORTH_RSA, _WORTH_ED25519 = 3, 2

_SIZE = RSA_BITS // 8
_HALF = _SIZE // 2
_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")  # DigestInfo of SHA-256, RFC 8017 section 9.2
_PADDED = b"\0\1" + b"\xff" * (_SIZE - 3 - len(_PREFIX) - 32) + b"\0" + _PREFIX
_EXPONENT = 65537

# What the library names as its own needs, in the order in which they need each other. None of it is called.
_NEEDED = ("libintlc.so.5", "libirng.so", "libimf.so", "libsvml.so")
_LIBRARY = "libcrypto_mb.so"

_Addresses: TypeAlias = tuple[int, ...]
_Job: TypeAlias = tuple[SigningKey, bytes]


class MultiBuffer:
    """The library, with room for the work of one thread."""

    def __init__(self, library: ctypes.CDLL) -> None:
        """For tests; others `load`. AttributeError for a library that lacks a function."""
        self._rsa_private = library.mbx_rsa_private_crt_mb8
        self._rsa_public = library.mbx_rsa_public_mb8
        self._ed25519_sign = library.mbx_ed25519_sign_mb8
        self._rsa_private.argtypes = [c_void_p] * 7 + [c_int, c_void_p, c_void_p]
        self._rsa_public.argtypes = [c_void_p] * 3 + [c_int, c_void_p, c_void_p]
        self._ed25519_sign.argtypes = [c_void_p] * 6
        for function in (self._rsa_private, self._rsa_public, self._ed25519_sign):
            function.restype = c_uint32
        methods = [library.mbx_RSA2K_private_crt_Method, library.mbx_RSA2K_pub65537_Method]
        size = library.mbx_RSA_Method_BufSize
        size.argtypes = [c_void_p]
        for method in methods:
            method.restype = c_void_p
        self._private_method, self._public_method = (method() for method in methods)
        room = max(size(self._private_method), size(self._public_method))
        self._scratch = ctypes.create_string_buffer(room + 64)  # which it aligns for its vectors
        self._in = ctypes.create_string_buffer(_SIZE * LANES)
        self._out = ctypes.create_string_buffer(_SIZE * LANES)
        self._back = ctypes.create_string_buffer(_SIZE * LANES)
        self._lengths = (c_uint32 * LANES)(*[32] * LANES)
        self._laid: WeakKeyDictionary[RsaKey | Ed25519Key, _Laid] = WeakKeyDictionary()
        self.made = 0
        """Signatures made together with others."""
        self.refused = 0
        """Signatures that were not what they should be, and were made again by OpenSSL."""

    def sign(self, jobs: Sequence[_Job]) -> list[bytes]:
        """The raw signature of each (key, data), in their order, each as `SigningKey.sign` would make it.

        Kinds and sizes of keys that the library has no function for are used one by one. Blocks for a tenth of a
        millisecond a signature.
        """
        out: list[bytes | None] = [None] * len(jobs)
        kinds: dict[str, list[int]] = {"rsa": [], "ed25519": []}
        for n, (key, _) in enumerate(jobs):
            if laid := self._lay(key):
                kinds[laid.kind].append(n)
        for kind, worth, make in (
            ("rsa", _WORTH_RSA, self._rsa),
            ("ed25519", _WORTH_ED25519, self._ed25519),
        ):
            numbers = kinds[kind]
            for start in range(0, len(numbers), LANES):
                some = numbers[start : start + LANES]
                if len(some) >= worth:
                    for n, signature in zip(some, make([jobs[n] for n in some]), strict=True):
                        out[n] = signature
        return [made if made is not None else key.sign(data) for made, (key, data) in zip(out, jobs, strict=True)]

    # -- inside ----------------------------------------------------------------------------------

    def _lay(self, key: SigningKey) -> _Laid | None:
        if not isinstance(key, RsaKey | Ed25519Key):
            return None
        laid = self._laid.get(key)
        if laid is None:
            numbers = _rsa_numbers(key) if isinstance(key, RsaKey) else _ed25519_numbers(key)
            laid = self._laid[key] = _Laid("rsa" if isinstance(key, RsaKey) else "ed25519", numbers)
        return laid if laid.addresses else None

    def _columns(self, jobs: Sequence[_Job]) -> list[Any]:
        """For each number of a key, the addresses of it in the jobs' keys."""
        rows = [laid.addresses for key, _ in jobs if (laid := self._lay(key))]
        return [_lanes(column) for column in zip(*rows, strict=True)]

    def _rsa(self, jobs: Sequence[_Job]) -> list[bytes | None]:
        """PKCS #1 v1.5 (RFC 8017 section 8.2.1), a None for each signature that its public key does not confirm."""
        padded = b"".join([_PADDED + hashlib.sha256(data).digest() for _, data in jobs])
        ctypes.memmove(self._in, padded, len(padded))
        into, out, back = (_within(b, _SIZE, len(jobs)) for b in (self._in, self._out, self._back))
        *private, modulus = self._columns(jobs)
        status = self._rsa_private(into, out, *private, RSA_BITS, self._private_method, self._scratch)
        status |= self._rsa_public(out, back, modulus, RSA_BITS, self._public_method, self._scratch)
        made, again = self._out.raw, self._back.raw
        return [
            self._judged(
                made[n * _SIZE : (n + 1) * _SIZE],
                _fine(status, n) and again[n * _SIZE : (n + 1) * _SIZE] == padded[n * _SIZE : (n + 1) * _SIZE],
            )
            for n in range(len(jobs))
        ]

    def _ed25519(self, jobs: Sequence[_Job]) -> list[bytes | None]:
        """PureEdDSA over the SHA-256 of the data (RFC 8463 section 3)."""
        hashed = b"".join([hashlib.sha256(data).digest() for _, data in jobs])
        ctypes.memmove(self._in, hashed, len(hashed))
        into, r = (_within(b, 32, len(jobs)) for b in (self._in, self._out))
        s = _within(self._back, 32, len(jobs))
        status = self._ed25519_sign(r, s, into, self._lengths, *self._columns(jobs))
        first, second = self._out.raw, self._back.raw
        return [
            self._judged(first[n * 32 : n * 32 + 32] + second[n * 32 : n * 32 + 32], _fine(status, n))
            for n in range(len(jobs))
        ]

    def _judged(self, signature: bytes, fine: bool) -> bytes | None:
        if fine:
            self.made += 1
            return signature
        self.refused += 1
        return None


class _Laid:
    """A key's numbers as the library reads them, least octet first; overwritten when the key is dropped."""

    __slots__ = ("_held", "addresses", "kind")

    def __init__(self, kind: str, numbers: Sequence[bytes]) -> None:
        self.kind = kind
        # One octet array for each, with no terminating zero; ctypes aligns what it allocates to eight octets and more.
        self._held = [ctypes.create_string_buffer(n, len(n)) for n in numbers]
        self.addresses: _Addresses = tuple(map(ctypes.addressof, self._held))

    def __del__(self) -> None:
        for held in self._held:
            ctypes.memset(held, 0, len(held))


def _rsa_numbers(key: RsaKey) -> list[bytes]:
    """p, q, d mod p-1, d mod q-1, 1/q mod p, n; nothing for a key that the library has no function for."""
    private = key.private.private_numbers()
    public = private.public_numbers
    halves = (private.p, private.q, private.dmp1, private.dmq1, private.iqmp)
    if public.n.bit_length() != RSA_BITS or public.e != _EXPONENT or max(halves).bit_length() > _HALF * 8:
        return []
    return [*(n.to_bytes(_HALF, "little") for n in halves), public.n.to_bytes(_SIZE, "little")]


def _ed25519_numbers(key: Ed25519Key) -> list[bytes]:
    return [key.private.private_bytes_raw(), key.private.public_key().public_bytes_raw()]


def _lanes(addresses: Sequence[int]) -> Any:
    return (c_void_p * LANES)(*addresses)


def _within(buffer: ctypes.Array[c_char], size: int, count: int) -> Any:
    start = ctypes.addressof(buffer)
    return _lanes(range(start, start + size * count, size))


def _fine(status: int, lane: int) -> bool:
    """Four bits of the status are a lane's; zero is success."""
    return not status >> 4 * lane & 0xF


def able(information: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this processor has the instructions, as Linux tells; False where it does not say."""
    try:
        text = information.read_text("ascii", "replace")
    except OSError:
        return False
    return any({"avx512ifma", "avx_ifma"} & set(line.split()) for line in text.splitlines() if line.startswith("flags"))


@cache
def load(folder: Path = Path(sys.prefix) / "lib") -> MultiBuffer | None:
    """The library of this environment; None where it is not installed, or this processor cannot run it.

    It is used only if it signs eight messages as OpenSSL does.
    """
    try:
        for name in _NEEDED:
            ctypes.CDLL(str(folder / name))
        library = ctypes.CDLL(str(folder / _LIBRARY))
        applicable = library.mbx_is_crypto_mb_applicable
        applicable.argtypes, applicable.restype = [c_uint64], c_int
        if not applicable(0):
            return None
        multibuffer = MultiBuffer(library)
    except (OSError, AttributeError):
        return None
    key = Ed25519Key(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
    jobs = [(key, b"%d" % n) for n in range(LANES)]
    return multibuffer if multibuffer.sign(jobs) == [key.sign(data) for _, data in jobs] else None
