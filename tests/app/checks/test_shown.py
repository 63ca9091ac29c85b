"""Suites, keys and dates of what a listener shows: right ones pass, and each that is wrong is named."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from mailward.app.certificates import server_context
from mailward.app.checks.hello import WEAK_12, WEAK_13, client_hello, taken
from mailward.app.checks.shown import certificates_are_in_date, nothing_weak_is_taken, weakness
from mailward.app.context import Context
from mailward.app.settings import Settings, Submission
from mailward.core.evidence.model import Finding, Result
from tests.conftest import SeededEntropy

NOW = datetime.now(UTC)


def pair(folder: Path, key: Any = None, *, begins: int = -1, ends: float = 90) -> tuple[Path, Path]:
    """A certificate and its key in files; days from now."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x.test")])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7)
        .not_valid_before(NOW + timedelta(days=begins)).not_valid_after(NOW + timedelta(days=ends))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "c.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "k.pem").write_bytes(key.private_bytes(*plain))
    return folder / "c.pem", folder / "k.pem"


async def asked(check: Any, tls: ssl.SSLContext) -> Finding:
    """What a check finds of a listener with this context."""
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0, ssl=tls)
    async with server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        settings = Settings(submission=Submission(starttls=[], implicit=[address]))
        clock = SimpleNamespace(now=lambda: NOW)
        found = await check(
            cast(Context, SimpleNamespace(settings=settings, clock=clock, entropy=SeededEntropy()))
        )  # fmt: skip
    assert isinstance(found, Finding)
    return found


@pytest.mark.claim("TRANSIT-1")
@pytest.mark.claim("TRANSIT-3")
@pytest.mark.parametrize("check", [nothing_weak_is_taken, certificates_are_in_date])
async def test_a_listener_on_our_policy_passes(tmp_path: Path, check: Any) -> None:
    """What the platform's own context shows has nothing weak and is in date; with no listener nothing is said."""
    assert (await asked(check, server_context(*pair(tmp_path)))).result is Result.PASSED
    nothing = SimpleNamespace(settings=Settings(submission=Submission()), clock=SimpleNamespace(now=lambda: NOW))
    assert (await check(cast(Context, nothing))).result is Result.NOT_CONFIGURED


@pytest.mark.claim("TRANSIT-1")
async def test_a_suite_with_cbc_is_taken_and_named(tmp_path: Path) -> None:
    """A server that takes CBC is found by a hello that offers weak suites alone, and the suite it took is named."""
    lax = server_context(*pair(tmp_path))
    lax.set_ciphers("ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES128-GCM-SHA256:@SECLEVEL=0")
    found = await asked(nothing_weak_is_taken, lax)
    assert (found.result, "0xC009 of TLS 1.2 is accepted" in found.evidence) == (Result.FAILED, True), found.evidence


@pytest.mark.claim("TRANSIT-1")
async def test_a_small_key_is_named(tmp_path: Path) -> None:
    """A certificate with an RSA key of 1024 bits is found where an OpenSSL at level 0 serves it."""
    weak = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    weak.set_ciphers("ECDHE+AESGCM:@SECLEVEL=0")
    weak.load_cert_chain(*pair(tmp_path, rsa.generate_private_key(public_exponent=65537, key_size=1024)))
    found = await asked(nothing_weak_is_taken, weak)
    assert (found.result, "an RSA key of 1024 bits" in found.evidence) == (Result.FAILED, True), found.evidence


async def test_the_hello_is_understood(tmp_path: Path) -> None:
    """Offered a good suite beside weak ones a server takes it: what is refused are the suites, not the form."""
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0, ssl=server_context(*pair(tmp_path)))
    async with server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for suites, good, modern in ((WEAK_13, 0x1301, True), (WEAK_12, 0xC02B, False)):
            assert await taken(address, False, client_hello((*suites, good), SeededEntropy(), modern=modern)) == good
            assert await taken(address, False, client_hello(suites, SeededEntropy(), modern=modern)) is None


def test_kinds_of_keys() -> None:
    """A short curve and a kind of key that nobody serves are weak."""

    def of(key: Any, hash_name: Any = hashes.SHA256()) -> x509.Certificate:  # noqa: B008
        return cast(
            x509.Certificate,
            SimpleNamespace(public_key=lambda: key.public_key(), signature_hash_algorithm=hash_name),
        )

    good = ec.generate_private_key(ec.SECP256R1())
    assert weakness(of(good)) == ""
    assert "curve of 192" in weakness(of(ec.generate_private_key(ec.SECP192R1())))
    assert "unknown kind" in weakness(of(dsa.generate_private_key(1024)))
    assert "signed with sha1" in weakness(of(good, hashes.SHA1()))


@pytest.mark.claim("TRANSIT-3")
@pytest.mark.parametrize(
    ("begins", "ends", "words"),
    [(-90, -1, "expired on"), (-90, 6, "expires on"), (1, 90, "begins on"), (-1, 0.05, "expires on")],
)
async def test_a_certificate_out_of_date_fails(tmp_path: Path, begins: int, ends: float, words: str) -> None:
    """Over, not begun, or with less left than a week or a tenth of its life."""
    found = await asked(certificates_are_in_date, server_context(*pair(tmp_path, begins=begins, ends=ends)))
    assert (found.result, words in found.evidence) == (Result.FAILED, True), found.evidence


@pytest.mark.claim("TRANSIT-3")
async def test_a_short_life_is_measured_by_its_own(tmp_path: Path) -> None:
    """A certificate made for six days is in order with a day left."""
    found = await asked(certificates_are_in_date, server_context(*pair(tmp_path, begins=-5, ends=1)))
    assert found.result is Result.PASSED, found.evidence
