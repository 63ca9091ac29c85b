"""The certificate in force: what new handshakes get, and the self-signed pair used while there is no other."""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mailward.policy.listening import LISTENERS

log = structlog.get_logger()

_VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate chain and its key, PEM."""

    chain: bytes
    key: bytes = field(repr=False)

    @classmethod
    def of_files(cls, certificate: Path, key: Path) -> Pair:
        """From two files. Raises OSError."""
        return cls(certificate.read_bytes(), key.read_bytes())

    def leaf(self) -> x509.Certificate:
        """The certificate itself, without those above it. Raises ValueError."""
        return x509.load_pem_x509_certificate(self.chain)


@contextlib.contextmanager
def as_files(pair: Pair) -> Iterator[tuple[Path, Path]]:
    """The pair under names that a library can open, in memory only: a key that came sealed never lies on a disk."""
    with contextlib.ExitStack() as stack:
        paths = []
        for name, data in (("chain", pair.chain), ("key", pair.key)):
            fd = os.memfd_create(f"mailward-{name}", os.MFD_CLOEXEC)
            stack.callback(os.close, fd)
            with os.fdopen(os.dup(fd), "wb") as file:
                file.write(data)
            paths.append(Path(f"/proc/self/fd/{fd}"))
        yield paths[0], paths[1]


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """What `policy/listening.py` asks for, in OpenSSL's terms: no compression and no renegotiation with it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[LISTENERS.oldest]
    context.set_ciphers(":".join(LISTENERS.suites))
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.load_cert_chain(certificate, key)
    return context


def context_of(pair: Pair) -> ssl.SSLContext:
    """The same for a pair in memory. Raises ssl.SSLError when chain and key do not fit."""
    with as_files(pair) as (certificate, key):
        return server_context(certificate, key)


def ensure_self_signed(folder: Path, hostname: str, now: datetime) -> tuple[Path, Path]:
    """The paths of a self-signed certificate and its key, made on first use and again in its last 30 days."""
    certificate, key = folder / "self-signed.pem", folder / "self-signed.key"
    if certificate.is_file() and key.is_file():
        held = x509.load_pem_x509_certificate(certificate.read_bytes())
        names = held.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        if held.not_valid_after_utc > now + timedelta(days=30) and hostname in names.get_values_for_type(x509.DNSName):
            return certificate, key
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=397))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(hostname), x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(private, hashes.SHA256())
    )
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(key, pem)
    _write(certificate, made.public_bytes(serialization.Encoding.PEM))
    return certificate, key


def _write(path: Path, data: bytes) -> None:
    part = path.with_suffix(path.suffix + ".part")
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as f:
        f.write(data)
        f.flush()
        os.fsync(f.fileno())
    part.replace(path)


class Files:
    """A pair of files that somebody may replace at any time, one after the other."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate, self._key = certificate, key
        self._seen: tuple[int, ...] = ()

    def changed(self) -> Pair | None:
        """The pair when the files are others than the last time, else None. Raises OSError."""
        both = (self._certificate.stat(), self._key.stat())
        stamp = tuple(n for s in both for n in (s.st_mtime_ns, s.st_ino, s.st_size))
        if stamp == self._seen:
            return None
        pair = Pair.of_files(self._certificate, self._key)
        self._seen = stamp
        return pair


Look = Callable[[], Awaitable[Pair | None]]
"""A pair that is to be served from now on, or None when nothing changed."""


class Certificates:
    """The pair in force in this process, for all its listeners; looks now and then whether there is another."""

    def __init__(self, pair: Pair, look: Look) -> None:
        """Raises ssl.SSLError when the pair does not fit."""
        self.pair = pair
        self._look = look
        self._context = context_of(pair)
        self._told: list[Callable[[Pair], Awaitable[None]]] = []

    @classmethod
    async def open(cls, files: Files, look: Look | None = None) -> Certificates:
        """What `look` has, else what the files hold. Without `look` the files are what is looked at."""

        async def look_at_files() -> Pair | None:
            return files.changed()

        look = look or look_at_files
        pair = await look() or files.changed()
        assert pair is not None  # files that were never seen have changed
        return cls(pair, look)

    def context(self) -> ssl.SSLContext:
        """For the next handshake."""
        return self._context

    def tell(self, served: Callable[[Pair], Awaitable[None]]) -> None:
        """Have it called with each new pair: for listeners that do not ask `context` at each handshake."""
        self._told.append(served)

    async def reload(self) -> int:
        """Take over another pair if there is one; one that does not load is said once and left alone."""
        try:
            pair = await self._look()
            if pair is None or pair == self.pair:
                return 0
            self._context = context_of(pair)
        except (OSError, ValueError) as e:  # ssl.SSLError is an OSError
            log.error("certificate_unusable", error=type(e).__name__, detail=getattr(e, "strerror", None) or str(e))
            return 0
        self.pair = pair
        for served in self._told:
            await served(pair)
        log.info("certificate_reloaded", serial=f"{pair.leaf().serial_number:x}")
        return 1
