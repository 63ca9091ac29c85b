"""Clients no one here wrote, through the platform and a real Postfix: bytes and signatures at the far end."""

from __future__ import annotations

import json
import re
import smtplib
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import dkim  # type: ignore[import-untyped]  # dkimpy has no types
import pytest

from demo.messages import crlf, default_folder, with_sender
from tests.scenarios.peers import Postfix, SmtpSink, curl, nodemailer, swaks
from tests.scenarios.platform import Platform

DOMAIN = "clients.test"
SENDER = f"app@{DOMAIN}"


class Road:
    """The platform with a domain of its own, Postfix as its smart host, and smtp-sink behind that."""

    def __init__(self, platform: Platform, sink: SmtpSink) -> None:
        self.platform, self.sink = platform, sink

    def arrived(self, marker: str, seconds: float = 20) -> bytes:
        """The message with this marker as the far end got it, CRLF line ends, without what Postfix put in front."""
        count = self.sink.count
        for _ in range(50):
            for _, content in self.sink.messages():
                if marker.encode() in content:
                    return _without_trace(crlf(content))
            self.sink.wait_for(count + 1, seconds / 50)
            count = self.sink.count
        raise AssertionError(f"nothing with {marker} arrived; {self.sink.count} messages did")

    def key(self, name: bytes, timeout: int = 5) -> bytes:
        """The TXT record of a selector, asked of the same DNS server that the platform asks."""
        host = name.decode().rstrip(".")
        return self.platform.txt(host)


def _without_trace(content: bytes) -> bytes:
    while match := re.match(rb"(?:Received|Return-Path|Delivered-To): [^\r]*\r\n(?:[ \t][^\r]*\r\n)*", content):
        content = content[match.end() :]
    return content


@pytest.fixture(scope="module")
def road() -> Iterator[Road]:
    with (
        SmtpSink(keep=True) as sink,
        Postfix(sink.port) as postfix,
        Platform(domain=DOMAIN, route=f"127.0.0.1:{postfix.port}") as platform,
    ):
        yield Road(platform, sink)


def _smtplib(road: Road, content: bytes) -> None:
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    with smtplib.SMTP("127.0.0.1", road.platform.starttls_port, timeout=20) as session:
        session.starttls(context=tls)
        session.login(road.platform.smtp_user, road.platform.smtp_password)
        session.sendmail(SENDER, ["b@far.test"], content)


def _swaks(road: Road, content: bytes) -> None:
    path = road.platform.folder / "swaks.eml"
    # swaks adds a line end of its own.
    path.write_bytes(content.removesuffix(b"\r\n"))
    done = swaks(
        "--server", f"127.0.0.1:{road.platform.implicit_port}", "--tls-on-connect",
        "-au", road.platform.smtp_user, "-ap", road.platform.smtp_password,
        "-f", SENDER, "-t", "b@far.test", "--data", f"@{path}",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def _curl(road: Road, content: bytes) -> None:
    path = road.platform.folder / "curl.eml"
    path.write_bytes(content)
    done = curl(
        "--ssl-reqd", "--insecure", "--user", f"{road.platform.smtp_user}:{road.platform.smtp_password}",
        "--mail-from", SENDER, "--mail-rcpt", "b@far.test", "-T", str(path),
        f"smtp://127.0.0.1:{road.platform.starttls_port}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def _api(road: Road, content: bytes) -> None:
    path = road.platform.folder / "api.eml"
    path.write_bytes(content)
    done = curl(
        "--fail-with-body", "-H", f"Authorization: Bearer {road.platform.send_key}",
        "-H", "Content-Type: message/rfc822", "-H", f"Envelope-From: {SENDER}", "-H", "Envelope-To: b@far.test",
        "--data-binary", f"@{path}", f"http://127.0.0.1:{road.platform.http_port}/v1/messages/raw",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.claim("EMAIL-1")
@pytest.mark.parametrize("submit", [_smtplib, _swaks, _curl, _api])
def test_bytes_and_signatures_at_the_far_end(road: Road, submit: Callable[[Road, bytes], None]) -> None:
    """What the client gave arrives as it was, with both signatures, which dkimpy verifies."""
    marker = f"marker{submit.__name__}"
    content = (
        f"From: App <{SENDER}>\r\nTo: b@far.test\r\nCc: c@far.test\r\nSubject: {marker}\r\nX-Own: kept\r\n"
        "Date: Mon, 2 Nov 2026 10:00:00 +0000\r\nMessage-ID: <" + marker + "@clients.test>\r\n"
        "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        "A line with dots\r\n..\r\n.starts with one\r\nümlaut \t \r\n\r\nthe end\r\n"
    ).encode()
    submit(road, content)
    got = road.arrived(marker)
    assert got.partition(b"\r\n\r\n")[2] == content.partition(b"\r\n\r\n")[2]
    for line in (b"Cc: c@far.test", b"X-Own: kept", b"Message-ID: <" + marker.encode() + b"@clients.test>"):
        assert line in got
    _check_signatures(road, got)


def _check_signatures(road: Road, content: bytes) -> None:
    algorithms = re.findall(rb"(?im)^DKIM-Signature:[^;]*;\s*a=([a-z0-9-]+)", content)
    assert sorted(algorithms) == [b"ed25519-sha256", b"rsa-sha256"]
    verifier = dkim.DKIM(content)
    for index in range(2):
        assert verifier.verify(idx=index, dnsfunc=road.key), f"dkimpy refuses signature {index}"


def test_nodemailer_is_served(road: Road) -> None:
    """nodemailer's own MIME, with an attachment and a name in Cyrillic, arrives signed."""
    platform = road.platform
    transport = {
        "host": "127.0.0.1",
        "port": platform.starttls_port,
        "requireTLS": True,
        "tls": {"rejectUnauthorized": False},
        "auth": {"user": platform.smtp_user, "pass": platform.smtp_password},
    }
    message = {
        "from": f"Пример <{SENDER}>",
        "to": "b@far.test",
        "subject": "markernodemailer",
        "text": "hello",
        "html": "<p>hello</p>",
        "attachments": [{"filename": "a.txt", "content": "attached"}],
    }
    done = nodemailer(json.dumps(transport), json.dumps(message))
    assert done.returncode == 0, done.stderr
    _check_signatures(road, road.arrived("markernodemailer"))


def _published(conformance: Path) -> list[Path]:
    folder = conformance / "mime"
    return sorted(p for p in folder.rglob("*") if p.suffix in (".msg", ".eml"))


def test_real_messages_are_accepted_or_refused_with_a_reason(road: Road, conformance: Path) -> None:
    """Python's own messages and the published ones: each gets 250, or a 5xx with its code; none a 4xx."""
    files = _published(conformance)
    if (own := default_folder()) is not None:
        files += sorted(own.glob("msg_*.txt"))
    assert files
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    accepted = 0
    with smtplib.SMTP("127.0.0.1", road.platform.starttls_port, timeout=30) as session:
        session.starttls(context=tls)
        session.login(road.platform.smtp_user, road.platform.smtp_password)
        for path in files:
            content = with_sender(crlf(path.read_bytes()), f"App <{SENDER}>")
            session.ehlo_or_helo_if_needed()
            assert session.mail(SENDER)[0] == 250
            assert session.rcpt("b@far.test")[0] == 250
            code, text = session.data(content)
            assert code == 250 or re.match(rb"5\.\d+\.\d+ ", text), f"{path.name}: {code} {text!r}"
            accepted += code == 250
    assert accepted >= len(files) // 2
