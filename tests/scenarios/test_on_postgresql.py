"""The whole platform on PostgreSQL 15, reached over verified TLS: what users do, and what its restart costs them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import re
import signal
import smtplib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest
import trustme

from tests.postgres_server import PostgresServer, debian_binaries
from tests.scenarios.killing import of_kind
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


def messages(platform: Platform) -> list[tuple[str, str]]:
    """Subject and status of every message the API lists."""
    found: list[tuple[str, str]] = []
    cursor = ""
    while True:
        _, page = platform.api("GET", f"/v1/messages?limit=100{cursor}")
        found += [(m["subject"], m["status"]) for m in page["data"]]
        if not page.get("next_cursor"):
            return found
        cursor = f"&cursor={page['next_cursor']}"


def subjects(platform: Platform) -> dict[str, str]:
    """The same, by subject."""
    return dict(messages(platform))


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


class Load:
    """Threads that submit by HTTP while the block runs."""

    def __init__(self, platform: Platform, name: str) -> None:
        self._platform, self._name = platform, name
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._submit, args=(i,)) for i in range(4)]
        self.acknowledged: set[str] = set()
        self.refused: list[int] = []

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(30)

    def _submit(self, number: int) -> None:
        n = 0
        while not self._over.is_set():
            n += 1
            subject = f"{self._name}-{number}-{n}"
            try:
                status, _ = by_api(self._platform, subject)
            except OSError:
                continue
            if status == 202:
                self.acknowledged.add(subject)
            else:
                self.refused.append(status)
                time.sleep(0.05)

    def goes_on(self, by: int) -> None:
        """Wait until so many more are acknowledged."""
        more = len(self.acknowledged) + by
        wait_until(lambda: len(self.acknowledged) >= more, f"{by} more to be taken", 30, 0.02)


def all_delivered(platform: Platform, these: set[str]) -> None:
    """Each of these is listed, once, and is delivered in the end, as everything else is."""
    listed = Counter(subject for subject, _ in messages(platform))
    assert {s for s in these if listed[s] != 1} == set()
    deadline = time.monotonic() + 60
    while late := {s for s, state in messages(platform) if state != "delivered"}:
        assert time.monotonic() < deadline, late
        time.sleep(0.5)


def deliveries(platform: Platform) -> int:
    """How often the workers delivered something, by their own count."""
    pages = [httpx.get(f"http://127.0.0.1:{platform.metrics_port + n}/metrics").text for n in range(2)]
    return sum(
        int(float(n)) for n in re.findall(r'^mailward_attempts_total{outcome="delivered"} (\S+)', "".join(pages), re.M)
    )


def connections(pid: int, port: int) -> int:
    """How many a process has open to a TCP port."""
    here = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            here.add(os.readlink(fd))
    lines = [
        line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    return sum(line[2].endswith(f":{port:04X}") and f"socket:[{line[9]}]" in here for line in lines)


@pytest.mark.claim("AVAIL-1")
def test_when_the_committing_process_is_killed_workers_go_on(platform: Platform, database: PostgresServer) -> None:
    """Killed twice under load: nobody is told to come again, nothing is lost or goes twice, the next one is used."""
    all_delivered(platform, set())
    before, sent = len(messages(platform)), deliveries(platform)
    killed: list[int] = []

    def next_one() -> int:
        # One connection listens; more are opened once there is something to commit.
        used = [pid for pid in of_kind(platform.pid, "committer") if connections(pid, database.port) > 1]
        return used[0] if used and used[0] not in killed else 0

    with Load(platform, "kill") as load:
        for _ in range(2):
            wait_until(lambda: next_one() > 0, "a committing process at work", 30, 0.02)
            killed.append(next_one())
            os.kill(killed[-1], signal.SIGKILL)
            load.goes_on(30)
        wait_until(lambda: next_one() > 0, "a committing process at work", 30, 0.02)
    assert load.refused == []
    all_delivered(platform, load.acknowledged)
    assert deliveries(platform) - sent == len(messages(platform)) - before


@pytest.mark.claim("AVAIL-1")
def test_a_restart_of_the_database_loses_nothing(platform: Platform, database: PostgresServer) -> None:
    """Under load the database goes down, in order and by a crash, and comes back: what got its 202 is there."""
    with Load(platform, "restart") as load:
        for how in (database.stop, database.crash):
            time.sleep(1.0)
            how()
            time.sleep(0.5)
            database.start()
        time.sleep(2.0)
    assert len(load.acknowledged) > 50
    assert set(load.refused) <= {503}
    wait_until(lambda: platform.api("GET", "/v1/messages")[0] == 200, "reading to work again", 20)
    all_delivered(platform, load.acknowledged)
