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


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.shutdown()
    made.server_close()


@pytest.mark.timeout(120)
def test_a_delivery_is_told_signed_and_told_again_until_it_is_heard(receiver: Receiver) -> None:
    """The first post is answered 503; the second, 5 s later, is the same event signed afresh, and both verify."""
    with Platform() as platform:
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
