"""The whole platform with its rows in PostgreSQL and its bodies in a bucket."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import itertools
import smtplib
import threading
import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import asyncpg
import pytest

from tests.adapters.storage.objects.conftest import make_bucket
from tests.adapters.storage.objects.faults import SLOW_DOWN, Fault, cut, late, never, says
from tests.postgres_server import PostgresServer
from tests.scenarios.bucket import ServedBucket, served
from tests.scenarios.platform import Platform
from tests.scenarios.test_nothing_readable import MARKER, found_in


@pytest.fixture(scope="module")
def bucket(s3: int) -> Iterator[ServedBucket]:
    name = "database-and-bucket"
    make_bucket(s3, name)
    with served(name, s3) as made:
        yield made


@pytest.fixture(scope="module")
def platform(bucket: ServedBucket, postgres_server: PostgresServer) -> Iterator[Platform]:
    """One for all: the first looks at its first objects, the last kills it."""
    database = asyncio.run(postgres_server.fresh_database())
    settings = {
        "storage.kind": "postgres",
        "storage.url": postgres_server.url("mailward_app", database),
        "storage.owner_url": postgres_server.url("mailward_owner", database),
        "storage.plaintext": ["127.0.0.1"],
    }
    with Platform(settings=settings | bucket.settings(deadline_seconds=3), workers=2) as running:
        yield running
    asyncio.run(postgres_server.drop_database(database))


def by_api(platform: Platform, subject: str) -> tuple[int, dict[str, object]]:
    """Submit one message by HTTP; status and answer."""
    message = {
        "from": "ada@demo.mailward.test",
        "to": [f"{subject}@example.com"],
        "subject": subject,
        "text": f"text {subject}",
    }
    status, answer = platform.api("POST", "/v1/messages", message)
    assert isinstance(answer, dict)
    return status, answer


def by_smtp(platform: Platform, subject: str) -> int:
    """Submit one message by SMTP; the code that answered its content."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "ada@demo.mailward.test", f"{subject}@example.com", subject
    mail.set_content(f"content {subject}")
    with smtplib.SMTP("127.0.0.1", platform.starttls_port, timeout=20) as client:
        client.starttls()
        client.login(platform.smtp_user, platform.smtp_password)
        try:
            client.send_message(mail)
        except smtplib.SMTPDataError as e:
            return e.smtp_code
        return 250


def accepted(platform: Platform) -> int:
    """How many messages the platform says it has."""
    status, answer = platform.api("GET", "/v1/messages?limit=100")
    assert status == 200
    return len(answer["data"])


def files_of(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file of a database that runs: some end while we look."""
    for path in folder.rglob("*"):
        try:
            if path.is_file():
                yield path, path.read_bytes()
        except FileNotFoundError:
            continue


@pytest.mark.claim("TRANSIT-6")
def test_doctor_and_verify_look_at_both(platform: Platform) -> None:
    """`mailward doctor` tries each thing asked of the bucket; `mailward verify` says how both are reached."""
    findings = {f["what"]: f["state"] for f in platform.cli_json("doctor")}
    assert findings["object store"] == "ok"
    assert findings["object store, put if absent"] == "ok"
    assert findings["object store, delete"] == "ok"
    (line,) = platform.cli_json("verify", "TRANSIT-6")["controls"]
    assert "database: this machine" in str(line)
    assert "object store: this machine" in str(line)
    assert by_api(platform, "looked-for")[0] == 202
    (line,) = platform.cli_json("verify", "REST-1")["controls"]
    assert line["state"] == "partly_proved", line
    assert "hold no recent recipient" in str(line)
    assert "sealed records in the 2 newest objects" in str(line), "the message's, and the one that a check wrote"


@pytest.mark.claim("REST-1")
def test_a_message_is_delivered_and_readable_nowhere_at_rest(
    platform: Platform, bucket: ServedBucket, postgres_server: PostgresServer
) -> None:
    """It goes out, its owner reads it back, and no table, log file or object holds its text or its people."""
    before = bucket.everything().keys()
    status, sent = by_api(platform, MARKER)
    assert status == 202
    assert by_smtp(platform, MARKER) == 250
    platform.wait_status(str(sent["id"]), ["delivered"])
    status, raw = platform.api("GET", f"/v1/messages/{sent['id']}/raw")
    assert status == 200
    assert found_in(raw if isinstance(raw, bytes) else str(raw).encode()), "the search is real"
    objects = bucket.everything()
    added = objects.keys() - before
    assert sum(name.startswith("mail/segments/") for name in added) == len(added) == 2
    assert [name for name, octets in objects.items() if found_in(octets) or found_in(name.encode())] == []

    async def flush() -> None:
        db = await asyncpg.connect(postgres_server.url("postgres", "postgres"), ssl=False)
        await db.execute("CHECKPOINT")
        await db.close()

    asyncio.run(flush())
    files = list(files_of(postgres_server.data))
    assert any("pg_wal" in path.parts for path, _ in files)
    assert [path for path, octets in files if found_in(octets)] == []


@pytest.mark.claim("AVAIL-1")
@pytest.mark.parametrize("fault", [says("503 Slow Down", SLOW_DOWN), cut, never], ids=["SlowDown", "cut", "no answer"])
def test_without_the_bucket_mail_is_deferred(platform: Platform, bucket: ServedBucket, fault: Fault) -> None:
    """While the object store is away HTTP says 503 and SMTP 451, nothing is half accepted; afterwards mail goes on."""
    first, _ = by_api(platform, "before")
    assert first == 202
    before = accepted(platform)
    bucket.proxy.always("PUT", fault)
    status, _ = by_api(platform, "away-api")
    assert (status, by_smtp(platform, "away-smtp")) == (503, 451)
    assert accepted(platform) == before
    bucket.proxy.always("PUT", None)
    status, sent = by_api(platform, "after")
    assert (status, by_smtp(platform, "after-smtp")) == (202, 250)
    assert accepted(platform) == before + 2
    platform.wait_status(str(sent["id"]), ["delivered"])


@pytest.mark.claim("AVAIL-1")
def test_killed_while_uploading_nothing_acknowledged_is_missing(platform: Platform, bucket: ServedBucket) -> None:
    """Killed at any instant of uploads and commits: each message that got its 202 has its row and its whole body."""
    bucket.proxy.always("PUT", late(0.02))
    acknowledged: list[tuple[str, str]] = []
    stop = threading.Event()

    def submit(n: int) -> None:
        for i in itertools.count():
            if stop.is_set():
                return
            with contextlib.suppress(OSError, http.client.HTTPException):
                subject = f"round-{n}-{i}"
                status, sent = by_api(platform, subject)
                if status == 202:
                    acknowledged.append((str(sent["id"]), subject))

    for n in range(3):
        stop.clear()
        threads = [threading.Thread(target=submit, args=(n * 10 + t,)) for t in range(6)]
        for thread in threads:
            thread.start()
        time.sleep(0.7 + 0.15 * n)
        platform.kill()
        stop.set()
        for thread in threads:
            thread.join(30)
        platform.launch()
    assert len(acknowledged) > 30
    for id, subject in acknowledged:
        status, raw = platform.api("GET", f"/v1/messages/{id}/raw")
        assert status == 200, (id, raw)
        assert f"text {subject}" in (raw.decode() if isinstance(raw, bytes) else str(raw))
