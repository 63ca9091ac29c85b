"""Web, submission, sender and upkeep as processes of their own over one data folder."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Iterator

import pytest

from tests.scenarios.apart import Apart
from tests.scenarios.killing import children
from tests.scenarios.ledger import LedgerSink
from tests.scenarios.peers import curl, free_port, swaks, wait_until
from tests.scenarios.traffic import RECIPIENT, SENDER, Dialogue

ROLES = ("web", "submission", "sender", "upkeep")


@pytest.fixture(scope="module")
def sink() -> Iterator[LedgerSink]:
    with LedgerSink() as running:
        yield running


@pytest.fixture(scope="module")
def apart(sink: LedgerSink) -> Iterator[Apart]:
    with Apart(route=f"127.0.0.1:{sink.port}") as running:
        yield running


def arrived(sink: LedgerSink, token: str, seconds: float = 10) -> float:
    """When it arrived, on the machine's clock."""
    wait_until(lambda: (token, RECIPIENT) in sink.read(), f"{token} to arrive", seconds, 0.005)
    return sink.arrivals[token, RECIPIENT][0].at


def explained(apart: Apart, token: str) -> str:
    """The status of the newest message with this subject, once upkeep has indexed it, and that it was explained."""
    found: list[str] = []

    def indexed() -> bool:
        _, page = apart.api("GET", f"/v1/messages?subject={token}")
        found[:] = [m["id"] for m in page["data"]]
        return bool(found)

    wait_until(indexed, f"{token} to be found by its subject", 30, 0.5)
    apart.wait_status(found[0], ["delivered"])
    status, why = apart.api("GET", f"/v1/messages/{found[0]}/explain")
    assert status == 200
    (attempt,) = why["deliveries"][0]["attempts"]
    assert attempt["signed"], "both keys sign, whichever process sends"
    assert any(line["line"].startswith("250") for line in attempt["dialogue"])
    return str(why["status"])


@pytest.mark.timeout(180)
def test_each_role_does_its_part(apart: Apart, sink: LedgerSink) -> None:
    """swaks into the submission process, curl into the web process; the sender delivers both, each is explained."""
    done = swaks(
        "--server", "127.0.0.1", "--port", str(apart.starttls_port), "--tls", "--auth", "PLAIN",
        "--auth-user", apart.smtp_user, "--auth-password", apart.smtp_password,
        "--from", SENDER, "--to", RECIPIENT, "--h-X-Ledger", "byswaks", "--h-Subject", "byswaks",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    body = {"from": SENDER, "to": RECIPIENT, "subject": "bycurl", "text": "x", "headers": {"X-Ledger": "bycurl"}}
    url = f"http://127.0.0.1:{apart.http_port}/v1/messages"
    answer = curl(
        "-X", "POST", url, "-H", f"Authorization: Bearer {apart.send_key}",
        "-H", "Content-Type: application/json", "-d", json.dumps(body),
    )  # fmt: skip
    assert json.loads(answer.stdout)["status"] == "queued"
    arrived(sink, "byswaks")
    arrived(sink, "bycurl")
    assert explained(apart, "byswaks") == "delivered"
    assert explained(apart, "bycurl") == "delivered"


def test_a_lone_message_does_not_wait_for_a_poll(apart: Apart, sink: LedgerSink) -> None:
    """The submission process rings the sender: from 250 to the far end in a tenth of the poll's second."""
    waits = []
    client = Dialogue(apart.private_port)
    client.say("EHLO probe.test")
    for n in range(20):
        token = f"lone-{time.time_ns()}-{n}"
        assert client.send(token)[0] == 250
        acknowledged = time.time()
        waits.append(arrived(sink, token) - acknowledged)
        time.sleep(0.02)
    client.close()
    print(f"from 250 to arrival: median {statistics.median(waits) * 1000:.1f} ms, worst {max(waits) * 1000:.1f} ms")
    assert statistics.median(waits) < 0.1


def test_every_worker_tells_of_its_health(apart: Apart) -> None:
    """Health, readiness and metrics of each role on a port of its own; no two workers have the same number."""
    for role in ROLES:
        assert apart.probe(role, "/healthz") == (200, b'{"status":"ok"}')
        status, body = apart.probe(role, "/readyz")
        assert status == 200, body
        assert json.loads(body)["parts"]["serving"] is True
        status, text = apart.probe(role, "/metrics")
        assert status == 200
        assert (b"mailward_sender_under_way" in text) is (role == "sender")
        assert apart.probe(role, "/v1/messages")[0] == 404
    started = [json.loads(line) for line in apart.log.splitlines() if '"worker_started"' in line]
    assert sorted({line["slot"] for line in started}) == [0, 100, 200, 300]


def test_what_does_the_work_runs_in_batches(apart: Apart) -> None:
    """Workers and the committing process, each with all its threads, do not interrupt others; the supervisors may."""
    working = [pid for role in ROLES for pid in apart.children(role)]
    assert len(working) > len(ROLES)
    for pid in working:
        policies = {os.sched_getscheduler(int(thread)) for thread in os.listdir(f"/proc/{pid}/task")}
        assert policies == {os.SCHED_BATCH}
    assert {os.sched_getscheduler(apart.parts[role].pid) for role in ROLES} == {os.SCHED_OTHER}


def test_upkeep_runs_in_one_process(apart: Apart) -> None:
    """Only the worker with the role keeps the store: nobody else holds the audit log's tasks."""
    time.sleep(0.1)
    before = apart.children("upkeep")
    assert len(before) >= 1
    done = apart.cli("up", "--role", "upkeep", timeout=30)
    assert done.returncode == 3
    assert "role upkeep" in done.stderr
    assert apart.children("upkeep") == before


def test_a_revoked_credential_is_refused_by_the_other_process(apart: Apart) -> None:
    """Revoked through the web process; the submission process knows before the caller's answer is a second old."""
    made = apart.cli_json("smtp", "create", "short-lived")
    login = ("--auth", "PLAIN", "--auth-user", made["username"], "--auth-password", made["password"])
    where = ("--server", "127.0.0.1", "--port", str(apart.starttls_port), "--tls", "--from", SENDER, "--to", RECIPIENT)
    assert swaks(*where, *login, "--quit-after", "AUTH").returncode == 0
    status, _ = apart.api("DELETE", f"/v1/smtp-credentials/{made['id']}")
    assert status in (200, 204)
    time.sleep(0.6)
    refused = swaks(*where, *login, "--quit-after", "AUTH")
    assert "535" in refused.stdout, refused.stdout


@pytest.mark.timeout(180)
def test_a_role_drains_alone(apart: Apart, sink: LedgerSink) -> None:
    """SIGTERM for the sender: exit code 0, submission goes on, and the next sender takes what was accepted."""
    workers = apart.children("sender")
    assert apart.stop_part("sender") == 0
    assert workers
    client = Dialogue(apart.private_port)
    client.say("EHLO probe.test")
    assert client.send("while-away")[0] == 250
    client.close()
    assert ("while-away", RECIPIENT) not in sink.read()
    apart.start_part("sender")
    arrived(sink, "while-away")
    assert not set(children(apart.parts["sender"].pid)) & set(workers)


def test_a_taken_role_is_refused_and_another_folder_is_not(apart: Apart) -> None:
    """A second sender on the folder is refused with a sentence; roles and folders do not get into each other's way."""
    done = apart.cli("up", "--role", "sender", timeout=30)
    assert done.returncode == 3
    assert "another mailward runs" in done.stderr
    assert str(apart.parts["sender"].pid) in done.stderr
    assert free_port() > 0
