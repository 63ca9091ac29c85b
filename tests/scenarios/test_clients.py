"""Clients no one here wrote, through the platform and a real Postfix: bytes and signatures at the far end.

Each signature is checked by three verifiers: dkimpy, libopendkim and Perl's Mail::DKIM.
"""

from __future__ import annotations

import email
import itertools
import json
import re
import shlex
import smtplib
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.messages import crlf, default_folder, with_sender
from mailward.adapters.vault.multibuffer import able
from tests.protocol.dkim import oracles
from tests.scenarios.peers import Postfix, SmtpSink, curl, nodemailer, swaks
from tests.scenarios.platform import Platform

DOMAIN = "clients.test"
SENDER = f"app@{DOMAIN}"


class Road:
    """The platform with a domain of its own, Postfix as its smart host, and smtp-sink behind that.

    Mail for seven.test goes straight to `seven`, a smtp-sink that does not offer 8BITMIME.
    """

    def __init__(self, platform: Platform, sink: SmtpSink, seven: SmtpSink) -> None:
        self.platform, self.sink, self.seven = platform, sink, seven

    def arrived(self, marker: str, seconds: float = 20, sink: SmtpSink | None = None) -> bytes:
        """The message with this marker as the far end got it, CRLF line ends, without what Postfix put in front."""
        sink = sink or self.sink
        count = sink.count
        for _ in range(50):
            for _, content in sink.messages():
                if marker.encode() in content:
                    return _without_trace(crlf(content))
            sink.wait_for(count + 1, seconds / 50)
            count = sink.count
        raise AssertionError(f"nothing with {marker} arrived; {sink.count} messages did")

    def submit(self, content: bytes, recipient: str) -> str:
        """Send by SMTP; the message's id."""
        tls = ssl.create_default_context()
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        with smtplib.SMTP("127.0.0.1", self.platform.starttls_port, timeout=20) as session:
            session.starttls(context=tls)
            session.login(self.platform.smtp_user, self.platform.smtp_password)
            session.ehlo_or_helo_if_needed()
            assert session.mail(SENDER, ["BODY=8BITMIME"])[0] == 250
            assert session.rcpt(recipient)[0] == 250
            code, text = session.data(content)
        assert code == 250, text
        return text.decode().rpartition(" ")[2]

    def attempts(self, message: str) -> list[dict[str, Any]]:
        """The attempts of a message with one recipient, as `explain` gives them."""
        status, why = self.platform.api("GET", f"/v1/messages/{message}/explain")
        assert status == 200, why
        return list(why["deliveries"][0]["attempts"])

    def records(self, content: bytes) -> dict[str, str]:
        """The TXT records its signatures name, asked of the same DNS server that the platform asks."""
        names = re.findall(rb"(?im)^DKIM-Signature:[^;]*;[^;]*;[^;]*;\s*d=([^;]+);\s*s=([^;]+);", content)
        hosts = [f"{selector.decode()}._domainkey.{domain.decode()}" for domain, selector in names]
        return {host: self.platform.txt(host).decode() for host in hosts}


def _without_trace(content: bytes) -> bytes:
    while match := re.match(rb"(?:Received|Return-Path|Delivered-To): [^\r]*\r\n(?:[ \t][^\r]*\r\n)*", content):
        content = content[match.end() :]
    return content


@pytest.fixture(scope="module")
def road() -> Iterator[Road]:
    with (
        SmtpSink(keep=True) as sink,
        SmtpSink(keep=True, options=["-8"]) as seven,
        Postfix(sink.port) as postfix,
        Platform(
            domain=DOMAIN,
            settings={
                "delivery.routes": {"*": f"127.0.0.1:{postfix.port}", "seven.test": f"127.0.0.1:{seven.port}"},
            },
        ) as platform,
    ):
        yield Road(platform, sink, seven)


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
    """What the client gave arrives as it was, with both signatures, which three verifiers accept."""
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


def test_curl_as_the_page_says(road: Road) -> None:
    """The command of docs/smtp-clients.md sends a file whose lines end in LF."""
    page = (Path(__file__).parents[2] / "docs" / "smtp-clients.md").read_text()
    match = re.search(r"\n    curl (.*?)\n\n", page, re.DOTALL)
    assert match is not None
    path = road.platform.folder / "message.eml"
    path.write_bytes(f"From: {SENDER}\nTo: b@far.test\nSubject: as on Unix\n\nunix-lines\n".encode())
    given = {
        "smtp://mail.example.com:587": f"smtp://127.0.0.1:{road.platform.starttls_port}",
        "$USER:$PASSWORD": f"{road.platform.smtp_user}:{road.platform.smtp_password}",
        "ada@example.com": SENDER, "bob@example.net": "b@far.test", "message.eml": str(path),
    }  # fmt: skip
    words = [word for word in shlex.split(match[1]) if word.strip()]
    assert set(given) <= set(words)
    done = curl("--insecure", *[given.get(word, word) for word in words])
    assert done.returncode == 0, done.stderr
    assert road.arrived("unix-lines").endswith(b"unix-lines\r\n")


@pytest.mark.claim("EMAIL-1", "EMAIL-2")
def test_many_at_once_are_each_signed(road: Road) -> None:
    """A batch of forty leaves in one turn, and each verifies; where the processor can, they were signed together."""
    batch = [
        {"from": SENDER, "to": [f"b{n}@far.test"], "subject": f"together {n}", "text": f"number {n}.\n"}
        for n in range(40)
    ]
    before = _together(road.platform)
    status, said = road.platform.api("POST", "/v1/messages/batch", {"messages": batch}, key=road.platform.send_key)
    assert (status, said["accepted"]) == (202, 40), said
    arrived = [road.arrived(f"number {n}.") for n in range(40)]
    for content in arrived:
        records = road.records(content)
        assert [oracles.dkimpy(content, records, index) for index in range(2)] == [True, True]
    assert (_together(road.platform) > before) == able()


def _together(platform: Platform) -> float:
    """Signatures made together with others, in all workers."""
    total = 0.0
    for n in itertools.count():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{platform.metrics_port + n}/metrics", timeout=5) as answer:
                text = answer.read().decode()
        except urllib.error.URLError:
            assert n, "no worker shows its metrics"
            break
        total += sum(map(float, re.findall(r"^mailward_signatures_together (\S+)$", text, re.MULTILINE)))
    return total


def _check_signatures(road: Road, content: bytes) -> None:
    algorithms = re.findall(rb"(?im)^DKIM-Signature:[^;]*;\s*a=([a-z0-9-]+)", content)
    assert sorted(algorithms) == [b"ed25519-sha256", b"rsa-sha256"]
    records = road.records(content)
    assert len(records) == 2
    for index in range(2):
        assert oracles.dkimpy(content, records, index), f"dkimpy refuses signature {index}"
    with oracles.name_server(records) as port:
        said = oracles.mail_dkim(content, port)
        assert said["rsa-sha256"] == "pass", said
        oracles.require_opendkim(port)
        folder = road.platform.folder / "opendkim"
        folder.mkdir(exist_ok=True)
        assert oracles.opendkim(content, folder), "libopendkim refuses a signature"
        assert not oracles.opendkim(content.replace(b"Subject: ", b"Subject: x", 1), folder)


LONG = "Ein Satz mit Umlauten: äöü, und er hört lange nicht auf. " * 60
HEAD = (
    f"From: App <{SENDER}>\r\nTo: b@far.test\r\nSubject: %s\r\nMIME-Version: 1.0\r\n"
    "Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
)


def _text(content: bytes) -> bytes:
    payload = email.message_from_bytes(content).get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload


@pytest.mark.parametrize("submit", [_smtplib, _api])
def test_long_lines_are_rewritten_before_they_are_signed(road: Road, submit: Callable[[Road, bytes], None]) -> None:
    """A line of thousands of characters arrives in short ones, says the same, and its signatures stand."""
    marker = f"markerlong{submit.__name__}"
    content = (HEAD % marker + f"<p>{LONG}</p>\r\n.\r\nend \r\n").encode()
    submit(road, content)
    got = road.arrived(marker)
    assert max(len(line) for line in got.split(b"\r\n")) <= 998
    assert _text(got) == content.partition(b"\r\n\r\n")[2]
    _check_signatures(road, got)


def test_a_rewrite_is_explained(road: Road) -> None:
    """`explain` says that and why a part was rewritten, on the command line and by API."""
    message = road.submit((HEAD % "markerwhy" + LONG + "\r\n").encode(), "b@far.test")
    road.platform.wait_status(message, ["delivered"])
    note = "a line was longer than 998 bytes: text/html is now quoted-printable"
    assert road.attempts(message)[-1]["rewritten"] == [note]
    shown = road.platform.cli("message", "explain", message)
    assert note in shown.stdout, shown.stdout + shown.stderr


@pytest.mark.parametrize("text", ["Grüße\r\n..\r\nend \r\n", "Привет, мир\r\n" * 40])
def test_a_server_of_seven_bits_gets_a_form_that_verifies(road: Road, text: str) -> None:
    """Without 8BITMIME at the hop, ASCII arrives that decodes to the same text, and its signatures stand."""
    marker = f"markerseven{len(text)}"
    content = (HEAD % marker + text).encode()
    message = road.submit(content, "b@seven.test")
    got = road.arrived(marker, sink=road.seven)
    assert got.isascii() and _text(got) == text.encode()
    _check_signatures(road, got)
    road.platform.wait_status(message, ["delivered"])
    (note,) = road.attempts(message)[-1]["rewritten"]
    assert note.startswith("the server does not offer 8BITMIME: text/html is now ")


@pytest.mark.parametrize(
    ("head", "enhanced"),
    [("Content-Type: multipart/signed; boundary=b", "5.6.3"), ("X-Name: Jürgen\r\nContent-Type: text/plain", "5.6.7")],
)
def test_what_may_not_be_converted_comes_back(road: Road, head: str, enhanced: str) -> None:
    """Signed content and 8-bit headers are not altered for a server of seven bits: the copy ends, with the reason."""
    body = "--b\r\nContent-Type: text/plain\r\n\r\nü\r\n--b\r\n\r\nsignature\r\n--b--\r\n"
    content = f"From: {SENDER}\r\nMIME-Version: 1.0\r\n{head}\r\n\r\n{body}".encode()
    message = road.submit(content, "b@seven.test")
    road.platform.wait_status(message, ["bounced"])
    attempt = road.attempts(message)[-1]
    assert attempt["enhanced"] == enhanced and attempt["rewritten"] == []


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
    own = default_folder()
    assert own is not None, "Python's own test data: tools/install-messages.sh"
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


@pytest.mark.claim("EMAIL-1")
def test_a_client_of_smtp_says_stream_tags_and_metadata(road: Road) -> None:
    """In the header, which leaves without them; a broadcast that nobody can leave is refused, as by the API."""
    head = (
        f"From: {SENDER}\r\nTo: b@far.test\r\nSubject: markersaid\r\nX-Mailward-Stream: broadcast\r\n"
        "X-Mailward-Tag: spring\r\nX-Mailward-Metadata-Campaign: 47\r\n"
    )
    content = f"{head}List-Unsubscribe: <https://example.com/leave>\r\n\r\nx\r\n".encode()
    message = road.submit(content, "b@far.test")
    arrived = road.arrived("markersaid")
    assert b"X-Mailward" not in arrived and b"List-Unsubscribe: <https://example.com/leave>" in arrived
    status, shown = road.platform.api("GET", f"/v1/messages/{message}")
    assert status == 200
    assert (shown["stream"], shown["tags"], shown["metadata"]) == ("broadcast", ["spring"], {"Campaign": "47"})
    status, page = road.platform.api("GET", "/v1/messages?stream=broadcast&tag=spring")
    assert status == 200 and [m["id"] for m in page["data"]] == [message]
    for way_out in ("", "List-Unsubscribe: write to us\r\n"):
        with pytest.raises(AssertionError, match="broadcast needs a List-Unsubscribe"):
            road.submit(f"{head}{way_out}\r\nx\r\n".encode(), "b@far.test")
    with pytest.raises(AssertionError, match="X-Mailward-Stream says"):
        road.submit(content.replace(b": broadcast", b": news"), "b@far.test")


def test_a_header_at_its_caps_arrives(road: Road) -> None:
    """What was taken with as many fields as are taken is signed with ours on top, and sent."""
    head = f"From: {SENDER}\r\nSubject: markercaps\r\n".encode()
    road.submit(head + b"X: y\r\n" * 998 + b"\r\nx\r\n", "b@far.test")
    assert road.arrived("markercaps").count(b"\r\nX: y") == 998
    with pytest.raises(AssertionError, match="1000 fields"):
        road.submit(head + b"X: y\r\n" * 999 + b"\r\nx\r\n", "b@far.test")


def test_a_recipient_in_another_script_costs_the_others_nothing(road: Road) -> None:
    """SMTPUTF8 is a matter of each transaction (RFC 6531 section 3.2): one without such an address does without it."""
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    with smtplib.SMTP("127.0.0.1", road.platform.starttls_port, timeout=20) as session:
        session.starttls(context=tls)
        session.login(road.platform.smtp_user, road.platform.smtp_password)
        assert session.mail(SENDER, ["SMTPUTF8"])[0] == 250
        for recipient in ("grün@seven.test", "plain@seven.test"):
            session.send(f"RCPT TO:<{recipient}>\r\n".encode())
            assert session.getreply()[0] == 250
        code, text = session.data(f"From: {SENDER}\r\nSubject: markerscript\r\n\r\nx\r\n".encode())
    assert code == 250
    road.arrived("markerscript", sink=road.seven)
    message = text.decode().rpartition(" ")[2]
    road.platform.wait_status(message, ["bounced"])
    _, shown = road.platform.api("GET", f"/v1/messages/{message}")
    found = {d["recipient"]: (d["status"], d["reason"]) for d in shown["deliveries"]}
    assert found["plain@seven.test"][0] == "delivered"
    assert found["grün@seven.test"] == ("bounced", "smtputf8_unsupported")
