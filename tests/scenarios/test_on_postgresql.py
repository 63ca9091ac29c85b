"""The whole platform on PostgreSQL 15, reached over verified TLS: what users do, and what its restart costs them."""

from __future__ import annotations

import asyncio
import os
import pwd
import re
import smtplib
import threading
import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest
import trustme

from tests.postgres_server import PostgresServer, debian_binaries
from tests.scenarios.peers import wait_until
from tests.scenarios.platform import Platform


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[trustme.CA, Path]:
    """Who signs the database's certificate, and the file that says so."""
    made = trustme.CA()
    told = tmp_path_factory.mktemp("authority") / "ca.pem"
    made.cert_pem.write_to_path(told)
    return made, told


@pytest.fixture(scope="module")
def database(authority: tuple[trustme.CA, Path]) -> Iterator[PostgresServer]:
    """Debian's server with a certificate; nobody gets in without TLS."""
    server = PostgresServer(debian_binaries())
    cert, key = server.folder / "server.pem", server.folder / "server.key"
    issued = authority[0].issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(cert)
    issued.private_key_pem.write_to_path(key)
    key.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(key, pwd.getpwnam("nobody").pw_uid, -1)
    server.add("ssl=on", f"ssl_cert_file={cert}", f"ssl_key_file={key}")
    try:
        server.init()
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="module")
def platform(database: PostgresServer, authority: tuple[trustme.CA, Path]) -> Iterator[Platform]:
    """One for all; the restarts come last."""
    name = asyncio.run(database.fresh_database())

    def url(role: str) -> str:
        return database.url(role, name).replace("127.0.0.1", "localhost") + "?sslmode=verify-full"

    settings = {
        "storage.kind": "postgres",
        "storage.url": url("mailward_app"),
        "storage.owner_url": url("mailward_owner"),
        "storage.ca": str(authority[1]),
    }
    with Platform(settings=settings, workers=2) as running:
        yield running


def by_api(platform: Platform, subject: str) -> tuple[int, str]:
    """Submit one message by HTTP; status and id."""
    message = {"from": "ada@demo.mailward.test", "to": ["b@example.com"], "subject": subject, "text": subject}
    status, answer = platform.api("POST", "/v1/messages", message, key=platform.send_key)
    return status, str(answer.get("id", answer))


def by_smtp(platform: Platform, subject: str) -> None:
    """Submit one message by SMTP."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "ada@demo.mailward.test", "c@example.com", subject
    mail.set_content(subject)
    with smtplib.SMTP("127.0.0.1", platform.starttls_port, timeout=20) as client:
        client.starttls()
        client.login(platform.smtp_user, platform.smtp_password)
        client.send_message(mail)


def subjects(platform: Platform) -> dict[str, str]:
    """Subject and status of every message the API lists."""
    found: dict[str, str] = {}
    cursor = ""
    while True:
        _, page = platform.api("GET", f"/v1/messages?limit=100{cursor}")
        found |= {m["subject"]: m["status"] for m in page["data"]}
        if not page.get("next_cursor"):
            return found
        cursor = f"&cursor={page['next_cursor']}"


@pytest.mark.claim("TRANSIT-6")
def test_mail_is_taken_sent_explained_and_shown(platform: Platform) -> None:
    """By API and SMTP in, out to the sink, each attempt explained, listed by API, command line and dashboard."""
    status, id = by_api(platform, "by-the-api")
    assert status == 202
    by_smtp(platform, "by-smtp")
    platform.wait_status(id, ["delivered"])
    _, why = platform.api("GET", f"/v1/messages/{id}/explain")
    assert "b@example.com" in str(why)
    assert "250" in str(why)
    deadline = time.monotonic() + 20
    while subjects(platform) != {"by-the-api": "delivered", "by-smtp": "delivered"}:
        assert time.monotonic() < deadline, subjects(platform)
        time.sleep(0.2)
    assert "by-smtp" in platform.cli("message", "list").stdout

    link = re.search(r"/setup/\S+", platform.cli("setup-link").stdout)
    assert link is not None
    with httpx.Client(base_url=f"http://127.0.0.1:{platform.http_port}", follow_redirects=True) as browser:
        token = re.search(r'name="csrf" value="([^"]+)"', browser.get(link[0]).text)
        assert token is not None
        form = {"csrf": token[1], "email": "owner@example.org", "password": "correct horse battery staple 9",
                "again": "correct horse battery staple 9", "workspace_name": "Ours"}  # fmt: skip
        origin = {"Origin": f"http://127.0.0.1:{platform.http_port}"}
        assert browser.post(link[0], data=form, headers=origin).status_code == 200
        page = browser.get("/messages").text
    assert "by-the-api" in page

    findings = {f["what"]: f for f in platform.cli_json("doctor")}
    assert findings["database"]["state"] == "ok"
    assert findings["database TLS"]["found"].startswith("TLSv1")
    assert findings["database schema"]["state"] == "ok"
    assert [f for f in findings.values() if f["what"].startswith("database") and f["state"] == "wrong"] == []


def test_a_revoked_key_ends_on_every_worker(platform: Platform) -> None:
    """Soon after a revocation no worker takes the key, though each had it in memory and goes by that until told."""
    made = platform.cli_json("key", "create", "short-lived", "--scope", "send")
    message = {"from": "ada@demo.mailward.test", "to": ["b@example.com"], "subject": "x", "text": "x"}
    # Each request is a connection of its own, and the kernel gives either worker every other one or so.
    for _ in range(24):
        assert platform.api("POST", "/v1/messages", message, key=made["secret"])[0] == 202
    assert platform.cli("key", "revoke", made["id"]).returncode == 0
    deadline = time.monotonic() + 5
    in_row = 0
    while in_row < 12:
        # Who knocks with a wrong key often enough is told to wait, unheard.
        refused = platform.api("POST", "/v1/messages", message, key=made["secret"])[0] in (401, 429)
        in_row = in_row + 1 if refused else 0
        assert time.monotonic() < deadline


@pytest.mark.claim("AVAIL-1")
def test_a_restart_of_the_database_loses_nothing(platform: Platform, database: PostgresServer) -> None:
    """Under load the database goes down, in order and by a crash, and comes back: what got its 202 is there."""
    acknowledged: set[str] = set()
    refused: list[int] = []
    over = threading.Event()

    def submit(name: str) -> None:
        n = 0
        while not over.is_set():
            n += 1
            subject = f"{name}-{n}"
            try:
                status, _ = by_api(platform, subject)
            except OSError:
                continue
            if status == 202:
                acknowledged.add(subject)
            else:
                refused.append(status)
                time.sleep(0.05)

    threads = [threading.Thread(target=submit, args=(f"t{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    try:
        for how in (database.stop, database.crash):
            time.sleep(1.0)
            how()
            time.sleep(0.5)
            database.start()
        time.sleep(2.0)
    finally:
        over.set()
        for thread in threads:
            thread.join(30)
    assert len(acknowledged) > 50
    assert set(refused) <= {503}
    wait_until(lambda: platform.api("GET", "/v1/messages")[0] == 200, "reading to work again", 20)
    listed = subjects(platform)
    assert acknowledged - set(listed) == set()
    deadline = time.monotonic() + 60
    while late := {s for s, state in subjects(platform).items() if state != "delivered"}:
        assert time.monotonic() < deadline, late
        time.sleep(0.5)
