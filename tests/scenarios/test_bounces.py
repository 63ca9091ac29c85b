"""A bounce comes back by SMTP, from a stranger's server, and ends the copy it is about."""

from __future__ import annotations

import re
import smtplib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.peers import wait_until
from tests.scenarios.platform import Platform

SAMPLES = Path(__file__).parents[1] / "policy" / "returned" / "samples"
RETURN_PATH = re.compile(r"MAIL FROM:<(b\+[a-z2-7]+-[a-z2-7]+@[^>]+)>", re.IGNORECASE)


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    """Capture mode; its MX listens like any other."""
    with Platform(workers=2) as running:
        yield running


def send(platform: Platform, to: str) -> str:
    """One message by API, its id."""
    body = {"from": f"app@{platform.domain}", "to": to, "subject": "s", "text": "t"}
    status, sent = platform.api("POST", "/v1/messages", body)
    assert status == 202, sent
    return str(sent["id"])


def status(platform: Platform, message: str) -> str:
    return str(platform.api("GET", f"/v1/messages/{message}")[1]["status"])


def return_path(platform: Platform, message: str) -> str:
    """Under which envelope sender it travelled, as its recipient's server saw it."""
    wait_until(lambda: status(platform, message) == "delivered", "the delivery")
    _, why = platform.api("GET", f"/v1/messages/{message}/explain")
    lines = [line["line"] for line in why["deliveries"][0]["attempts"][-1]["dialogue"]]
    (found,) = [m[1] for m in map(RETURN_PATH.search, lines) if m]
    return found


def bounce(platform: Platform, to: str, sample: str, about: str) -> int:
    """What the MX answers to a returned message."""
    (path,) = SAMPLES.glob(f"{sample}.*.eml")
    content = path.read_bytes().replace(b"bob@customer.example", about.encode()).replace(b"\n", b"\r\n")
    with smtplib.SMTP("127.0.0.1", platform.mx_port, timeout=20) as session:
        session.ehlo("relay.example")
        assert session.mail("")[0] == 250
        code, _ = session.rcpt(to)
        return code if code >= 400 else session.data(content)[0]


def suppressions(platform: Platform, address: str) -> list[Any]:
    return list(platform.api("GET", f"/v1/suppressions?search={address}")[1]["data"])


def test_a_hard_bounce_by_smtp_suppresses(platform: Platform) -> None:
    """250, the message is bounced, the address listed with its reason, and the next one, as foretold, not sent."""
    who = "gone@elsewhere.test"
    message = send(platform, who)
    assert bounce(platform, return_path(platform, message), "postfix-unknown", who) == 250
    assert status(platform, message) == "bounced"
    assert [s["reason"] for s in suppressions(platform, who)] == ["hard_bounce"]
    assert status(platform, send(platform, who)) == "suppressed"
    body = {"from": "a@demo.mailward.test", "to": [who], "subject": "x", "text": "x", "dry_run": True}
    told = platform.api("POST", "/v1/messages", body)[1]
    assert told["reasons"][1] == "Every recipient is on the suppression list: it would be kept, and sent to nobody."
    _, events = platform.api("GET", f"/v1/messages/{message}/events")
    assert [e["type"] for e in events["data"]][-1] == "bounced"


def test_what_is_not_hard_or_not_ours_suppresses_nobody(platform: Platform) -> None:
    """A full mailbox and an answer are noted; a return-path with another signature is no address of ours."""
    who = "full@elsewhere.test"
    message = send(platform, who)
    path = return_path(platform, message)
    assert bounce(platform, path, "gmail-full", who) == 250
    assert bounce(platform, path, "away-en", who) == 250
    forged = path[:40] + ("a" if path[40] != "a" else "b") + path[41:]
    assert bounce(platform, forged, "postfix-unknown", who) == 550
    assert status(platform, message) == "delivered"
    assert suppressions(platform, who) == []
