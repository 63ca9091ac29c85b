"""Certificates from an authority no one here wrote, and a renewal while sessions are open on all four doors."""

from __future__ import annotations

import contextlib
import http.client
import smtplib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from mailward.app.checks.transport import lenient
from tests.scenarios.authority import Pebble, Zone
from tests.scenarios.peers import free_port, wait_until
from tests.scenarios.platform import Platform, toml
from tests.scenarios.tls_scan import scan

NAME = "mail.example"

# Mozilla's intermediate profile without finite-field groups, by the names of the standards.
SUITES = {
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
}


class Bare(Platform):
    """A platform without credentials: nobody signs in here."""

    def start(self) -> None:
        """Settings and processes."""
        self.config.write_text(toml(self._values))
        self.launch()


class Doors:
    """The four listeners of one platform, and what each shows to newcomers."""

    def __init__(self, platform: Platform, https: int) -> None:
        self.platform, self.https_port = platform, https

    def https(self) -> http.client.HTTPSConnection:
        """A connection that is kept alive."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.https_port, timeout=10, context=lenient())
        connection.connect()
        return connection

    def smtp(self, port: int) -> smtplib.SMTP:
        """A session after STARTTLS."""
        session = smtplib.SMTP("127.0.0.1", port, timeout=10)
        session.starttls(context=lenient())
        session.ehlo()
        return session

    def implicit(self) -> smtplib.SMTP:
        """A session with TLS from the first octet."""
        return smtplib.SMTP_SSL("127.0.0.1", self.platform.implicit_port, timeout=10, context=lenient())

    def all(self) -> list[http.client.HTTPSConnection | smtplib.SMTP]:
        """One connection each: HTTPS, 587, 465, 25."""
        p = self.platform
        return [self.https(), self.smtp(p.starttls_port), self.implicit(), self.smtp(p.mx_port)]

    def serials(self) -> set[str]:
        """What newcomers are shown on all four."""
        shown = set()
        for one in self.all():
            shown.add(serial(one))
            one.close()
        return shown


def serial(connection: http.client.HTTPSConnection | smtplib.SMTP) -> str:
    """Of the certificate this connection was opened with."""
    sock = connection.sock
    assert isinstance(sock, ssl.SSLSocket)
    der = sock.getpeercert(binary_form=True)
    assert der is not None
    return f"{x509.load_der_x509_certificate(der).serial_number:x}"


def answers(connection: http.client.HTTPSConnection | smtplib.SMTP) -> bool:
    """The session is alive, on the very connection it began with."""
    if isinstance(connection, smtplib.SMTP):
        return connection.noop()[0] == 250
    before = connection.sock
    connection.request("GET", "/healthz")
    reply = connection.getresponse()
    reply.read()
    return reply.status == 200 and connection.sock is before


@pytest.fixture(scope="module")
def doors() -> Iterator[Doors]:
    """A platform of two workers that has its names' certificate from pebble by http-01."""
    plain, https = free_port(), free_port()
    with Zone(f"{NAME}.") as zone, Pebble(zone.address, plain) as pebble:
        http_port = free_port()
        settings = {
            "http.listen": [f"127.0.0.1:{http_port}", f"127.0.0.1:{https}"],
            "http.secure": [f"127.0.0.1:{https}"],
            "http.plain": [f"127.0.0.1:{plain}"],
            "http.public_url": f"https://{NAME}",
            # A scanner opens many.
            "mx.max_connections_per_ip": 500,
            "mx.connections_per_minute_ip": 0,
            "tls.acme": {
                "directory": pebble.directory, "ca": pebble.ca, "names": [NAME], "agree_terms": True,
            },
        }  # fmt: skip
        platform = Bare(settings=settings, workers=2)
        platform.http_port = http_port
        with platform:
            yield Doors(platform, https)


def plain_request(doors: Doors, request: bytes) -> bytes:
    port = int(str(doors.platform._values["http.plain"][0]).rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.sendall(request)
        return s.recv(4096)


@pytest.mark.claim("TRANSIT-3")
def test_renewed_while_sessions_are_open(doors: Doors) -> None:
    """The first certificate comes by itself; after a renewal newcomers see the new one and open sessions go on."""
    made_here = x509.load_pem_x509_certificate((doors.platform.data / "tls/self-signed.pem").read_bytes())
    wait_until(lambda: f"{made_here.serial_number:x}" not in doors.serials(), "the first certificate", 30, 0.3)
    first = doors.platform.cli_json("certificate", "show")
    assert first["source"] == "authority"
    wait_until(lambda: all(doors.serials() == {first["serial"]} for _ in range(4)), "all to serve it", 10, 0.3)

    sessions = doors.all()
    with contextlib.ExitStack() as stack:
        for session in sessions:
            stack.callback(session.close)
        _renew(doors, first, sessions)


def _renew(doors: Doors, first: Any, sessions: list[http.client.HTTPSConnection | smtplib.SMTP]) -> None:
    assert all(map(answers, sessions))
    renewed = doors.platform.cli_json("certificate", "renew")
    assert renewed["serial"] != first["serial"]
    wait_until(lambda: all(doors.serials() == {renewed["serial"]} for _ in range(4)), "all to serve the next", 10, 0.3)
    assert {serial(s) for s in sessions} == {first["serial"]}
    assert all(map(answers, sessions))
    assert [c["state"] for c in doors.platform.cli_json("certificate", "list")] == ["served", "replaced"]
    assert doors.platform.cli_json("certificate", "order") == {"ordered": False}
    on_disk = b"".join(p.read_bytes() for p in Path(doors.platform.data).rglob("*") if p.is_file())
    assert on_disk.count(b"PRIVATE KEY-----") == 2  # the self-signed pair's, from before


def test_plain_http_only_sends_on(doors: Doors) -> None:
    """Port 80 knows challenges and the way to HTTPS, whatever host or path is asked for; nothing of the API."""
    answer = plain_request(doors, b"GET /v1/messages?x=1 HTTP/1.1\r\nHost: evil.example\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 308")
    assert f"location: https://{NAME}/v1/messages?x=1\r\n".encode() in answer
    sneaky = plain_request(doors, b"GET //evil.example/%0d%0aX:y HTTP/1.1\r\nHost: x\r\n\r\n")
    assert f"location: https://{NAME}/evil.example/".encode() in sneaky
    assert b"\r\nX:y" not in sneaky
    assert plain_request(doors, b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")[9:12] == b"403"
    unknown = b"GET /.well-known/acme-challenge/none HTTP/1.1\r\nHost: x\r\n\r\n"
    assert plain_request(doors, unknown)[9:12] == b"404"


@pytest.mark.claim("TRANSIT-1")
def test_a_scanner_finds_nothing_weak_on_any_door(doors: Doors, tmp_path: Path) -> None:
    """On HTTPS, 465, 587 and 25: TLS 1.2 and 1.3, forward secrecy, no compression, renegotiation or known hole."""
    p = doors.platform
    found = scan([doors.https_port, p.implicit_port], tmp_path, smtp=False)
    found |= scan([p.starttls_port, p.mx_port], tmp_path, smtp=True)
    assert len(found) == 4
    for port, said in found.items():
        for old in ("ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"):
            assert said[f"{old}_cipher_suites"]["accepted_cipher_suites"] == [], (port, old)
        modern = {
            one["cipher_suite"]["name"]
            for new in ("tls_1_2", "tls_1_3")
            for one in said[f"{new}_cipher_suites"]["accepted_cipher_suites"]
        }
        assert modern <= SUITES, (port, modern - SUITES)
        assert len(said["tls_1_3_cipher_suites"]["accepted_cipher_suites"]) == 3
        assert not said["tls_compression"]["supports_compression"]
        assert not said["session_renegotiation"]["is_vulnerable_to_client_renegotiation_dos"]
        assert not said["heartbleed"]["is_vulnerable_to_heartbleed"]
        assert not said["openssl_ccs_injection"]["is_vulnerable_to_ccs_injection"]
        assert said["robot"]["robot_result"].startswith("NOT_VULNERABLE")
        assert not said["tls_1_3_early_data"]["supports_early_data"]
        curves = {c["name"] for c in said["elliptic_curves"]["supported_curves"]}
        # OpenSSL takes two more than Mozilla's intermediate profile lists, both stronger.
        assert curves <= {"X25519", "X25519MLKEM768", "prime256v1", "secp256r1", "secp384r1", "secp521r1", "X448"}
