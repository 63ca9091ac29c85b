"""Events reach a receiver: signed by Standard Webhooks, verified by a library no one here wrote."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from standardwebhooks import Webhook

from tests.scenarios.peers import wait_until
from tests.scenarios.platform import Platform


class Receiver(ThreadingHTTPServer):
    """Takes what is posted; says 503 to the first request and 204 after."""

    def __init__(self) -> None:
        self.seen: list[tuple[dict[str, str], bytes]] = []
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append(({k.lower(): v for k, v in self.headers.items()}, body))
        self.send_response(503 if len(self.server.seen) == 1 else 204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    """One for all: each test has a webhook of its own, and removes it where another would be disturbed."""
    with Platform() as running:
        yield running


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.shutdown()
    made.server_close()


@pytest.mark.timeout(120)
def test_a_delivery_is_told_signed_and_told_again_until_it_is_heard(platform: Platform, receiver: Receiver) -> None:
    """The first post is answered 503; the second, 5 s later, is the same event signed afresh, and both verify."""
    url = f"http://127.0.0.1:{receiver.server_port}/hook"
    status, made = platform.api("POST", "/v1/webhooks", {"url": url, "events": ["message.delivered"]})
    assert status == 201, made
    body = {"from": "a@demo.mailward.test", "to": ["b@x.test"], "subject": "hello", "text": "x", "tags": ["t1"]}
    status, sent = platform.api("POST", "/v1/messages", body)
    assert status == 202
    wait_until(lambda: len(receiver.seen) >= 2, "the event to be posted twice", 30)
    verifier = Webhook(made["secret"])
    events = [verifier.verify(content, headers) for headers, content in receiver.seen[:2]]
    assert events[0] == events[1]
    assert receiver.seen[0][0]["webhook-id"] == receiver.seen[1][0]["webhook-id"]
    assert receiver.seen[0][0]["svix-id"] == receiver.seen[0][0]["webhook-id"]
    event = json.loads(receiver.seen[0][1])
    assert event["type"] == "message.delivered"
    assert (event["data"]["message"], event["data"]["recipient"]) == (sent["id"], "b@x.test")
    assert event["data"]["tags"] == ["t1"]

    def heard() -> bool:
        _, page = platform.api("GET", f"/v1/webhooks/{made['id']}/attempts")
        return [a["status"] for a in page["data"]] == [204, 503]

    wait_until(heard, "both attempts to be shown", 10)
    assert platform.api("DELETE", f"/v1/webhooks/{made['id']}")[0] == 204


@pytest.mark.timeout(180)
def test_held_mail_is_told_released_and_sent_and_what_failed_is_replayed(
    platform: Platform, receiver: Receiver
) -> None:
    """Pause, accept, hold, release by the command line, deliver; the endpoint hears of each; a replay keeps the id."""
    url = f"http://127.0.0.1:{receiver.server_port}/hook"
    status, made = platform.api("POST", "/v1/webhooks", {"url": url})
    assert status == 201, made
    hook = f"/v1/webhooks/{made['id']}"
    status, paused = platform.api("POST", "/v1/sending/pause", {"stream": "transactional", "reason": "a test"})
    assert (status, paused["paused"][0]["stream"]) == (200, "transactional")
    assert platform.api("GET", "/v1/workspace")[1]["status"] == "active"
    body = {"from": "a@demo.mailward.test", "to": ["b@x.test"], "subject": "hello", "text": "x"}
    status, sent = platform.api("POST", "/v1/messages", body)
    assert (status, sent["status"]) == (202, "held"), sent
    assert platform.api("POST", "/v1/messages", {**body, "dry_run": True})[1]["would"] == "hold"
    assert platform.api("GET", "/v1/sending")[1]["held"] is True
    assert platform.api("POST", "/v1/sending/resume", {"stream": "transactional"})[0] == 200
    status, next_one = platform.api("POST", "/v1/messages", body)
    assert next_one["status"] == "sending", next_one
    released = platform.cli_json("message", "release", sent["id"])
    assert released["status"] in ("queued", "sending", "delivered")

    def told(type: str, message: str) -> bool:
        events = [json.loads(content) for _, content in receiver.seen]
        return any(e["type"] == type and e["data"].get("message") == message for e in events)

    story = ("message.accepted", "message.held", "message.released", "message.delivered")
    wait_until(lambda: all(told(type, sent["id"]) for type in story), "the story of the held message", 30)
    assert not told("message.held", next_one["id"])
    status, again = platform.api("POST", f"/v1/messages/{sent['id']}/release")
    assert (status, again["code"]) == (409, "not_held")
    _, log = platform.api("GET", "/v1/audit?limit=50")
    acts = {e["act"] for e in log["data"]}
    assert {"sending.paused", "sending.resumed", "message.released", "webhook.created"} <= acts

    _, events = platform.api("GET", f"{hook}/events?limit=100")
    held = next(e for e in events["data"] if e["type"] == "message.held")

    def statuses() -> list[int]:
        _, tries = platform.api("GET", f"{hook}/attempts?event={held['id']}")
        return [a["status"] for a in tries["data"]]

    wait_until(lambda: 204 in statuses(), "the event to be taken, on a second try if the first met the refusal", 30)
    before = len(receiver.seen)
    replay = platform.cli_json("webhook", "replay", made["id"], "--event", held["id"])
    wait_until(lambda: len(receiver.seen) > before, "the replay", 30)
    assert receiver.seen[-1][0]["webhook-id"] == held["id"]

    def finished() -> bool:
        _, found = platform.api("GET", f"{hook}/replays/{replay['id']}")
        return bool(found["finished"]) and found["delivered"] == 1

    wait_until(finished, "the replay to be counted", 10)
    assert statuses().count(204) >= 2
    _, one = platform.api("GET", f"{hook}/events/{held['id']}")
    assert one["payload"]["data"]["reason"] == "sending_paused"
    assert platform.api("DELETE", hook)[0] == 204


class Fickle(BaseHTTPRequestHandler):
    """Answers what `Fickle.status` says."""

    status = 410

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(Fickle.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.mark.timeout(180)
def test_an_endpoint_that_is_gone_is_disabled_its_owner_mailed_and_enabled_only_when_it_answers(
    platform: Platform,
) -> None:
    """410: off at once and in the audit log; enabling posts a test event, which it must take, by API and CLI alike."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Fickle)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Fickle.status = 410
    try:
        url = f"http://127.0.0.1:{server.server_port}/hook"
        _, made = platform.api("POST", "/v1/webhooks", {"url": url})
        hook = f"/v1/webhooks/{made['id']}"
        assert platform.api("POST", f"{hook}/test")[0] == 202
        wait_until(lambda: not platform.api("GET", hook)[1]["enabled"], "the webhook to be disabled", 20)
        found = platform.api("GET", hook)[1]
        assert found["disabled_reason"] == "it answered 410 Gone"
        assert found["disabled_at"]

        def settled() -> bool:
            return platform.api("GET", hook)[1]["owner_told"] in ("mailed", "not mailed")

        wait_until(settled, "the owner to be told", 20)
        Fickle.status = 503
        status, refused = platform.api("PATCH", hook, {"enabled": True})
        assert (status, refused["code"]) == (409, "webhook_not_answering"), refused
        assert platform.cli("webhook", "enable", made["id"]).returncode == 1
        assert not platform.api("GET", hook)[1]["enabled"]
        Fickle.status = 200
        assert platform.cli("webhook", "enable", made["id"]).returncode == 0
        found = platform.api("GET", hook)[1]
        assert (found["enabled"], found["disabled_reason"], found["owner_told"]) == (True, None, None)
        _, log = platform.api("GET", "/v1/audit?limit=50")
        assert {"webhook.disabled", "webhook.enabled"} <= {e["act"] for e in log["data"]}
        holder = platform.api("GET", "/v1/workspace")[1]["id"]
        asked = platform.cli("domain", "release", "demo.mailward.test", "--from", holder)
        assert (asked.returncode, "Say --yes" in asked.stdout) == (1, True), (asked.stdout, asked.stderr)
        refused_name = platform.cli("domain", "release", "demo.mailward.test", "--from", holder, "--yes")
        assert (refused_name.returncode, "reserved for capture mode" in refused_name.stderr) == (1, True), (
            refused_name.stdout,
            refused_name.stderr,
        )
    finally:
        server.shutdown()
        server.server_close()
