"""Mail for a route reaches its endpoint through the whole platform: both ways, seen, downloaded, and told again."""

from __future__ import annotations

import hashlib
import json
import smtplib
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.scenarios.peers import wait_until
from tests.scenarios.platform import Platform

DOMAIN = "demo.mailward.test"
MESSAGE = (
    b"From: Ada <ada@example.org>\r\nTo: help@demo.mailward.test\r\nSubject: Hello\r\nMessage-ID: <1@example.org>\r\n"
    b"Date: Wed, 04 Mar 2026 05:06:07 +0000\r\n\r\nHello there.\r\n"
)


class Receiver(ThreadingHTTPServer):
    """Notes what is posted; answers by path: what `answers` has for it, else 204."""

    daemon_threads = True

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: dict[str, tuple[int, bytes]] = {}
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def at(self, path: str) -> list[tuple[dict[str, str], bytes]]:
        return [(headers, body) for where, headers, body in self.seen if where == path]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        status, text = self.server.answers.get(self.path, (204, b""))
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.shutdown()
    made.server_close()


def route(platform: Platform, receiver: Receiver, local: str, **more: Any) -> dict[str, Any]:
    url = f"http://user:pass@127.0.0.1:{receiver.server_port}/{local}"
    body = {"domain": DOMAIN, "kind": "exact", "pattern": local, "url": url, **more}
    status, made = platform.api("POST", "/v1/routes", body)
    assert status == 201, made
    found: dict[str, Any] = made
    return found


def send(platform: Platform, to: str, *, tls: bool = False, content: bytes = MESSAGE) -> tuple[int, str]:
    """One message as a mail server sends it; the answer to its content."""
    with smtplib.SMTP("127.0.0.1", platform.mx_port, "mx.example.org", timeout=60) as smtp:
        if tls:
            smtp.starttls(context=ssl._create_unverified_context())  # the installation's certificate is self-signed
        try:
            smtp.sendmail("ada@example.org", [f"{to}@{DOMAIN}"], content)
        except smtplib.SMTPDataError as e:
            return e.smtp_code, (e.smtp_error if isinstance(e.smtp_error, bytes) else b"").decode()
        except smtplib.SMTPRecipientsRefused as e:
            code, text = next(iter(e.recipients.values()))
            return code, text.decode()
    return 250, ""


def known(platform: Platform, local: str) -> bool:
    """Whether every worker knows the route by now: the kernel deals connections out, so many are asked."""
    return all(_takes(platform, local) for _ in range(12))


def _takes(platform: Platform, local: str) -> bool:
    with smtplib.SMTP("127.0.0.1", platform.mx_port, "mx.example.org", timeout=60) as smtp:
        smtp.ehlo()
        smtp.mail("ada@example.org")
        return smtp.rcpt(f"{local}@{DOMAIN}")[0] == 250


@pytest.mark.timeout(180)
def test_both_ways_to_hand_over(receiver: Receiver) -> None:
    """Stored and forwarded with TLS told from the clear; refused in session in the endpoint's words; seen; replayed."""
    with Platform() as platform:
        own = route(platform, receiver, "help")
        asked = route(platform, receiver, "ask", mode="in_session", format="cloudmailin_json")
        assert (own["url"], own["with_credentials"]) == (f"http://127.0.0.1:{receiver.server_port}/help", True)
        for local in ("help", "ask"):
            wait_until(lambda local=local: known(platform, local), f"the route {local}", 15)  # type: ignore[misc]
        assert send(platform, "nobody")[0] == 550

        assert send(platform, "help", tls=True) == (250, "")
        assert send(platform, "help")[0] == 250
        wait_until(lambda: len(receiver.at("/help")) == 2, "both messages at the endpoint", 30)
        told = [json.loads(body) for _, body in receiver.at("/help")]
        assert sorted(str(t["data"]["envelope"]["tls_version"]) for t in told) == ["None", "TLSv1.3"]
        for headers, body in receiver.at("/help"):
            Webhook(own["secret"]).verify(body, headers)
            assert headers["authorization"] == "Basic dXNlcjpwYXNz"
        first = told[0]["data"]
        assert first["raw"]["sha256"] == hashlib.sha256(MESSAGE).hexdigest()
        assert first["envelope"]["remote_ip"] == "127.0.0.1"
        assert first["plain"].strip() == "Hello there."
        assert "authentication" in first

        receiver.answers["/ask"] = (403, b"Not today, thank you.")
        code, text = send(platform, "ask")
        assert (code, "Not today, thank you." in text) == (554, True)
        receiver.answers["/ask"] = (503, b"")
        assert send(platform, "ask")[0] == 450
        receiver.answers.clear()
        assert send(platform, "ask")[0] == 250
        assert json.loads(receiver.at("/ask")[-1][1])["envelope"]["tls"] is False

        status, page = platform.api("GET", "/v1/received")
        assert status == 200
        by_state = {m["copies"][0]["state"]: m for m in page["data"]}
        assert set(by_state) == {"handed_over", "refused"}
        refused = by_state["refused"]["id"]
        _, tries = platform.api("GET", f"/v1/received/{refused}/attempts")
        assert [(a["outcome"], a["status"], a["response"]) for a in tries["data"]] == [
            ("refused", 403, "Not today, thank you.")
        ]
        assert platform.api("GET", f"/v1/received/{refused}/raw")[0] == 410

        message = first["message"]
        status, raw = platform.api("GET", f"/v1/received/{message}/raw")
        assert (status, hashlib.sha256(raw).hexdigest()) == (200, first["raw"]["sha256"])
        assert platform.api("POST", f"/v1/received/{message}/replay", {})[0] == 202
        wait_until(lambda: len(receiver.at("/help")) == 3, "the replayed message", 30)
        again = receiver.at("/help")[2]
        assert again[0]["webhook-id"] == receiver.at("/help")[0][0]["webhook-id"]
        Webhook(own["secret"]).verify(again[1], again[0])
        listed = platform.cli_json("route", "list")["data"]
        assert {r["id"] for r in listed} == {own["id"], asked["id"]}
        assert platform.cli_json("received", "list", "--route", asked["id"], "--state", "refused")["data"]
        done = platform.cli("received", "replay", message)
        assert (done.returncode, done.stdout.strip()) == (0, "1 on the way")
        assert platform.api("GET", f"/v1/received/{message}", key=platform.send_key)[0] == 403
