"""The MX through its public door: real senders, real scanners, DNS that says who may send, a webhook that listens."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import smtplib
import socket
import ssl
import subprocess
import threading
import time
import zipfile
from collections.abc import Iterator
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import dkim  # type: ignore[import-untyped]
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.scenarios.peers import Dns, Postfix, several, swaks, tool, wait_until
from tests.scenarios.platform import Platform
from tests.scenarios.scanners import EICAR, GTUBE, Clamd, Rspamd

DOMAIN = "demo.mailward.test"
_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
_PEM = _KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
)
_PUBLIC = base64.b64encode(
    _KEY.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
).decode()
ZONE = [
    'good.test. 60 IN TXT "v=spf1 ip4:127.0.0.0/8 -all"',
    '_dmarc.good.test. 60 IN TXT "v=DMARC1; p=reject"',
    f's._domainkey.good.test. 60 IN TXT "v=DKIM1; k=rsa; p={_PUBLIC[:200]}" "{_PUBLIC[200:]}"',
    'bad.test. 60 IN TXT "v=spf1 ip4:192.0.2.1 -all"',
    '_dmarc.bad.test. 60 IN TXT "v=DMARC1; p=reject"',
]


class Endpoint:
    """A customer's application. What is posted to /in is kept; other paths answer with their number."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = 200 if self.path == "/in" else int(self.path[1:])
                if self.path == "/in":
                    outer.got.append(json.loads(body)["data"])
                said = b"We do not take this." if status >= 400 else b""
                self.send_response(status)
                self.send_header("Content-Type", "text/plain")
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def about(self, subject: str, seconds: float = 15) -> dict[str, Any]:
        """The message with that subject, once it has come."""
        wait_until(lambda: any(m["subject"] == subject for m in self.got), f"a webhook about {subject!r}", seconds)
        return next(m for m in self.got if m["subject"] == subject)


class World:
    """A platform that receives, and everything around it."""

    def __init__(self) -> None:
        self.dns, self.clamd, self.rspamd, self.endpoint = Dns(ZONE), Clamd(), Rspamd(), Endpoint()
        self.platform: Platform
        self.postfix: Postfix

    def start(self) -> None:
        self.platform = Platform(
            workers=1,
            settings={
                "delivery.resolvers": [self.dns.address],
                "scanning.clamd": self.clamd.place,
                "scanning.rspamd": self.rspamd.url,
                "scanning.seconds": 3.0,
                "mx.max_connections_per_ip": 500,
                "mx.connections_per_minute_ip": 100_000,
            },
        )
        self.postfix = Postfix(self.platform.mx_port, extra={"smtp_tls_security_level": "may"})

    def route(self, local: str, path: str = "/in", **more: object) -> None:
        """Mail for one address goes to one path of the endpoint."""
        body = {"domain": DOMAIN, "kind": "exact", "pattern": local, "url": self.endpoint.url + path, **more}
        status, said = self.platform.api("POST", "/v1/routes", body)
        assert status == 201, said

    def known(self, local: str) -> bool:
        """Does every worker know the address by now?"""
        with smtplib.SMTP("127.0.0.1", self.platform.mx_port, timeout=10) as session:
            session.ehlo("client.test")
            session.mail("a@good.test")
            return session.rcpt(f"{local}@{DOMAIN}")[0] != 550

    def send(self, content: bytes, to: str = "in", sender: str = "a@good.test", *, tls: bool = False) -> str:
        """Hand a message to the MX; the reply to it, or to whatever was refused before."""
        with smtplib.SMTP("127.0.0.1", self.platform.mx_port, timeout=30) as session:
            session.ehlo("client.test")
            if tls:
                context = ssl.create_default_context()
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                session.starttls(context=context)
                session.ehlo("client.test")
            for code, said in (session.mail(sender), session.rcpt(f"{to}@{DOMAIN}")):
                if code >= 400:
                    return f"{code} {said.decode()}"
            code, said = session.data(content)
            return f"{code} {said.decode()}"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    made = World()
    with several(made.dns, made.clamd, made.rspamd):
        made.start()
        with several(made.platform, made.postfix):
            made.route("in")
            made.route("secret", require_tls=True)
            made.route("no", "/422", mode="in_session")
            made.route("later", "/500", mode="in_session")
            made.route("yes", "/in", mode="in_session")
            made.route("careless", on_scanner_down="accept")
            wait_until(lambda: made.known("careless"), "the routes to be known", 10)
            yield made
    made.endpoint.server.shutdown()
    made.endpoint.server.server_close()


def message(subject: str, *, body: bytes = b"Hello\r\n", sender: str = "a@good.test") -> bytes:
    return (
        f"From: {sender}\r\nTo: in@{DOMAIN}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@good.test>\r\n"
        "Date: Mon, 04 May 2026 12:00:00 +0000\r\n\r\n"
    ).encode() + body


def attached(subject: str, data: bytes) -> bytes:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "a@good.test", f"in@{DOMAIN}", subject
    made.set_content("See the file.")
    made.add_attachment(data, maintype="application", subtype="octet-stream", filename="a.bin")
    return made.as_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def zipped(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("inner.com", data)
    return out.getvalue()


# -- TRANSIT-4: how it came


@pytest.mark.claim("TRANSIT-4")
def test_swaks_over_tls_and_in_the_clear(world: World) -> None:
    """The webhook of a message over TLS 1.3 names version and cipher, that of one in the clear says that."""
    common = ["--server", "127.0.0.1", "--port", str(world.platform.mx_port), "--from", "a@good.test"]
    for subject, more in (("swaks-tls", ["--tls"]), ("swaks-clear", [])):
        done = swaks(*common, "--to", f"in@{DOMAIN}", "--header", f"Subject: {subject}", "--ehlo", "swaks.test", *more)
        assert done.returncode == 0, done.stdout
    secured, clear = world.endpoint.about("swaks-tls"), world.endpoint.about("swaks-clear")
    assert secured["envelope"]["tls_version"] == "TLSv1.3"
    assert secured["envelope"]["tls_cipher"].startswith("TLS_")
    assert (clear["envelope"]["tls"], clear["envelope"]["tls_version"]) == (False, None)
    assert (clear["envelope"]["helo"], clear["envelope"]["remote_ip"]) == ("swaks.test", "127.0.0.1")


@pytest.mark.claim("TRANSIT-4")
def test_postfix_with_its_own_queue(world: World) -> None:
    """Twenty messages through Postfix's queue all arrive, over TLS 1.3, and its queue is empty afterwards."""
    subprocess.run(
        [tool("smtp-source"), "-m", "20", "-s", "4", "-f", "a@good.test", "-t", f"in@{DOMAIN}", "-S", "by-postfix",
         f"127.0.0.1:{world.postfix.port}"],
        check=True, timeout=60,
    )  # fmt: skip

    def arrived() -> int:
        return sum(m["subject"] == "by-postfix" for m in world.endpoint.got)

    wait_until(lambda: arrived() == 20, "twenty webhooks", 40)
    wait_until(lambda: world.postfix.queued() == 0, "Postfix's queue to be empty", 20)
    came = [m for m in world.endpoint.got if m["subject"] == "by-postfix"]
    assert {m["envelope"]["tls_version"] for m in came} == {"TLSv1.3"}
    assert {m["envelope"]["helo"] for m in came} == {"postfix.test"}
    assert arrived() == 20


@pytest.mark.claim("TRANSIT-4")
def test_smtp_source_in_the_clear(world: World) -> None:
    """smtp-source, which knows no TLS, is told apart."""
    subprocess.run(
        [tool("smtp-source"), "-m", "5", "-s", "2", "-f", "a@good.test", "-t", f"in@{DOMAIN}", "-S", "by-source",
         f"127.0.0.1:{world.platform.mx_port}"],
        check=True, timeout=60,
    )  # fmt: skip
    assert world.endpoint.about("by-source")["envelope"]["tls_version"] is None


# -- who sent it


def test_a_signed_message_of_a_domain_that_may(world: World) -> None:
    """SPF, DKIM and DMARC pass; the field that claims to be our verdict is gone, and ours is there."""
    forged = b"Authentication-Results: mailward.test; dmarc=pass header.from=bank.test\r\n"
    plain = message("signed")
    content = forged + dkim.sign(plain, b"s", b"good.test", _PEM) + plain
    assert world.send(content, tls=True).startswith("250 2.0.0")
    got = world.endpoint.about("signed")
    verdicts = got["authentication"]
    assert verdicts["spf"]["result"] == "pass"
    assert [s["result"] for s in verdicts["dkim"] if s["domain"] == "good.test"] == ["pass"], verdicts
    assert verdicts["dmarc"]["result"] == "pass"
    ours = [h["value"] for h in got["headers"] if h["name"].lower() == "authentication-results"]
    assert len(ours) == 1
    assert "bank.test" not in ours[0] and "dmarc=pass" in ours[0]
    assert got["headers"][1]["name"] == "Received" or got["headers"][0]["name"] == "Received"


def test_a_forged_sender(world: World) -> None:
    """Mail in the name of a domain that forbids it fails SPF and DMARC, which the webhook says with reasons."""
    assert world.send(message("forged", sender="ceo@bad.test"), sender="ceo@bad.test").startswith("250")
    verdicts = world.endpoint.about("forged")["authentication"]
    assert (verdicts["spf"]["result"], verdicts["dmarc"]["result"]) == ("fail", "fail")
    assert verdicts["spf"]["reason"] and verdicts["dmarc"]["reason"]


# -- what is refused


def raw(world: World, content: bytes) -> bytes:
    """The reply to content said as it is."""
    with socket.create_connection(("127.0.0.1", world.platform.mx_port), 10) as sock:
        file = sock.makefile("rb")
        file.readline()
        for line in (b"HELO client.test", b"MAIL FROM:<a@good.test>", f"RCPT TO:<in@{DOMAIN}>".encode(), b"DATA"):
            sock.sendall(line + b"\r\n")
            file.readline()
        sock.sendall(content)
        return file.readline()


def test_each_refusal_has_its_own_code(world: World) -> None:
    """Unknown, foreign, in the clear where TLS is required, in circles, too much header, bare line ends."""
    answers = {
        "unknown": world.send(message("x"), to="nobody"),
        "tls": world.send(message("x"), to="secret"),
        "loop": world.send(b"Received: from a by b; x\r\n" * 51 + message("x")),
        "header": world.send(b"X: " + b"y\r\n " * 30_000 + b"\r\n" + message("x")),
        "fields": world.send(b"X: y\r\n" * 1001 + message("x")),
        "bare": raw(world, b"Subject: x\r\n\r\na\nb\r\n.\r\n").decode().strip(),
        "nul": raw(world, b"Subject: x\r\n\r\na\0b\r\n.\r\n").decode().strip(),
    }
    with smtplib.SMTP("127.0.0.1", world.platform.mx_port, timeout=10) as session:
        session.ehlo("client.test")
        session.mail("a@good.test")
        answers["foreign"] = "{} {}".format(*session.rcpt("x@elsewhere.test"))
    starts = {name: answer.replace("b'", "")[:9] for name, answer in answers.items()}
    assert starts == {
        "unknown": "550 5.1.1", "tls": "530 5.7.0", "loop": "554 5.4.6", "header": "552 5.3.4", "fields": "554 5.6.0",
        "bare": "550 5.6.0", "nul": "550 5.6.0", "foreign": "550 5.7.1",
    }  # fmt: skip
    assert all(len(answer) > 25 for answer in answers.values()), answers
    assert world.send(message("secret"), to="secret", tls=True).startswith("250")


def test_postmaster_abuse_and_the_null_sender(world: World) -> None:
    """They are taken without a route, from anybody and from nobody."""
    for to in ("postmaster", "Abuse"):
        assert world.send(message(f"to-{to}"), to=to, sender="").startswith("250 2.0.0")


@pytest.mark.claim("EMAIL-9")
def test_the_endpoint_answers_the_sender(world: World) -> None:
    """In session 2xx is 250, 4xx is 554 with its text, and anything else is 450; refused mail keeps no content."""
    assert world.send(message("asked-yes"), to="yes").startswith("250 2.0.0")
    assert world.endpoint.about("asked-yes", 1)["subject"] == "asked-yes"
    assert world.send(message("asked-no"), to="no") == "554 5.7.1 We do not take this."
    assert world.send(message("asked-later"), to="later").startswith("450 4.3.0")


# -- INPUT-4: what is in it


def waiting(world: World, subject: str) -> dict[str, Any]:
    """The received message with that subject, as the API shows it."""

    def look() -> dict[str, Any] | None:
        _, page = world.platform.api("GET", "/v1/received?limit=50")
        return next((m for m in page["data"] if m["subject"] == subject), None)

    wait_until(lambda: look() is not None, f"{subject} to be received", 10)
    found = look()
    assert found is not None
    return found


@pytest.mark.claim("INPUT-4")
@pytest.mark.claim("INPUT-2")
def test_malware_waits_and_is_released(world: World) -> None:
    """EICAR in a zip is found by rules and ClamAV, waits unseen, keeps its octets, and is handed over on release."""
    content = attached("with-eicar", zipped(EICAR))
    assert world.send(content).startswith("250 2.0.0")
    found = waiting(world, "with-eicar")
    status, raw_bytes = world.platform.api("GET", f"/v1/received/{found['id']}/raw")
    assert status == 200
    assert hashlib.sha256(raw_bytes).hexdigest() == hashlib.sha256(content).hexdigest()
    time.sleep(1.0)
    assert not any(m["subject"] == "with-eicar" for m in world.endpoint.got)
    status, said = world.platform.api("POST", f"/v1/received/{found['id']}/release")
    assert status < 300, said
    got = world.endpoint.about("with-eicar")
    assert got["scan"]["verdict"] == "infected"
    assert {m.partition(":")[0] for m in got["scan"]["matches"]} == {"yara", "clamd"}
    assert got["raw"]["sha256"] == hashlib.sha256(content).hexdigest()


@pytest.mark.claim("INPUT-4")
def test_spam_waits_and_is_discarded(world: World) -> None:
    """GTUBE is spam to rspamd; discarded, it is never handed over."""
    assert world.send(message("with-gtube", body=GTUBE + b"\r\n")).startswith("250 2.0.0")
    found = waiting(world, "with-gtube")
    status, said = world.platform.api("POST", f"/v1/received/{found['id']}/discard")
    assert status < 300, said
    assert world.platform.api("POST", f"/v1/received/{found['id']}/release")[0] == 409
    assert not any(m["subject"] == "with-gtube" for m in world.endpoint.got)


@pytest.mark.claim("INPUT-4")
def test_a_scanner_that_is_down(world: World) -> None:
    """While clamd stands still mail is deferred, but for a route that wants it all the same, which is told."""
    world.clamd.pause(True)
    try:
        assert world.send(message("deferred")).startswith("451 4.7.0")
        assert world.send(message("careless"), to="careless").startswith("250 2.0.0")
    finally:
        world.clamd.pause(False)
    assert world.endpoint.about("careless")["scan"]["verdict"] == "unavailable"
    assert world.send(message("scanned")).startswith("250 2.0.0")
    assert world.endpoint.about("scanned")["scan"]["verdict"] == "clean"


def test_nothing_of_a_message_is_in_the_log(world: World) -> None:
    """After all of this the log holds no address, subject or content."""
    for word in ("good.test", "bad.test", "with-eicar", "EICAR", "by-postfix", f"in@{DOMAIN}"):
        assert word not in world.platform.log, word
