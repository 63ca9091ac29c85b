"""A marker sent through every field of every door is in no file, row, log or metric; with the key it is there."""

from __future__ import annotations

import base64
import json
import smtplib
import urllib.request
import zlib
from collections.abc import Iterator
from email.message import EmailMessage

import pytest

from tests.scenarios.platform import Platform, installation_files

MARKER = "zebrafinch7741"


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with Platform() as running:
        yield running


def spellings(marker: str) -> list[bytes]:
    """The marker as it may lie in a file: plain, UTF-16, and base64 at each of the three offsets."""
    raw = marker.encode()
    out = [raw, raw.upper(), marker.encode("utf-16-le"), raw.hex().encode()]
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + raw)
        start = -(-shift * 8 // 6)
        out.append(text[start : len(text) - 4])
    return out


def found_in(data: bytes) -> bool:
    return any(s in data for s in spellings(MARKER))


@pytest.mark.asvs("16.2.5")
@pytest.mark.claim("REST-1")
@pytest.mark.claim("LOG-2")
@pytest.mark.claim("KEYS-1")
def test_a_marker_is_nowhere_at_rest_and_in_no_log_or_metric(platform: Platform) -> None:
    """Through API and SMTP, in every field a caller fills, delivered and explained; and the search itself is real."""
    m = MARKER
    body = {
        "from": f"{m} <{m}@demo.mailward.test>",
        "to": [f"{m} <{m}-to@{m}.test>"],
        "cc": [f"{m}-cc@{m}.test"],
        "bcc": [f"{m}-bcc@{m}.test"],
        "reply_to": [f"{m}-reply@{m}.test"],
        "subject": f"subject {m}",
        "text": f"text {m}",
        "html": f"<p>{m}</p>",
        "headers": {"X-Marker": m},
        "tags": [m],
        "metadata": {m: m},
        "attachments": [
            {"filename": f"{m}.txt", "content": base64.b64encode(m.encode()).decode(), "content_type": "text/plain"}
        ],
    }
    status, sent = platform.api("POST", "/v1/messages", body, Idempotency_Key=m)
    assert status == 202, sent
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = f"{m} <{m}@demo.mailward.test>", f"{m}-smtp@{m}.test", f"smtp {m}"
    mail.set_content(f"content {m}")
    with smtplib.SMTP("127.0.0.1", platform.starttls_port, timeout=20) as client:
        client.starttls()
        client.login(platform.smtp_user, platform.smtp_password)
        client.send_message(mail)
        client.docmd("MAIL", f"FROM:<{m}@foreign-{m}.test>")
        client.docmd("VRFY", m)
    platform.api("POST", "/v1/suppressions", {"address": f"{m}-listed@{m}.test"})
    platform.api("GET", f"/v1/messages?subject={m}&to={m}-to@{m}.test")
    platform.api("POST", "/v1/domains", {"name": f"{m}.example.com"})
    platform.api("GET", f"/v1/messages/{m}")
    platform.wait_status(sent["id"], ["delivered"])
    status, raw = platform.api("GET", f"/v1/messages/{sent['id']}/raw")
    assert status == 200
    assert found_in(raw if isinstance(raw, bytes) else json.dumps(raw).encode())

    metrics = b""
    for slot in range(2):
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{platform.metrics_port + slot}/metrics", timeout=5
            ) as answer:
                metrics += answer.read()
        except OSError:
            continue
    assert b"mailward_messages_accepted" in metrics
    assert not found_in(metrics)
    assert not found_in(platform.log.encode())
    for path in installation_files(platform.data):
        data = path.read_bytes()
        assert not found_in(data), path.name
        for secret in (platform.admin_key, platform.send_key, platform.smtp_password):
            assert secret.encode() not in data, path.name
    for secret in (platform.admin_key, platform.send_key, platform.smtp_password):
        assert secret not in platform.log
    # The search finds what is there: the same spellings are found in a file that does hold the marker.
    assert all(found_in(b"x" + s + b"y") for s in spellings(m))
    assert not found_in(zlib.compress(m.encode()))
