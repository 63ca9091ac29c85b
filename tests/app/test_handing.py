"""Handing over: a receiver written from the vendor's documentation, and what its answers mean to the sender."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest
import standardwebhooks

from mailward.adapters.net.egress import GuardedHttp
from mailward.app import handing as app_handing
from mailward.app.handing import Budget, Handing, reply_text
from mailward.base import ids
from mailward.base.errors import Unavailable
from mailward.core.inbound.model import (
    Attachments,
    HandedOver,
    InboundRoute,
    Mode,
    RouteFormat,
    SealedSecret,
    Signature,
)
from mailward.policy.egress import networks
from mailward.protocol.inbound import signing
from mailward.protocol.smtp.model import SessionFacts
from mailward.protocol.webhooks import show_secret
from tests.conftest import SeededEntropy
from tests.core.inbound.inbound_rig import RAW, facts

SECRET = bytes(range(32))
MESSAGE = (
    b"Received: from a by b\r\nReceived: from c by a\r\nMessage-ID: <1@x>\r\nFrom: Ada <ada@example.org>\r\n"
    b"To: help@in.example.com\r\nSubject: Hi\r\nAuthentication-Results: mx.us.example; spf=pass\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\nHello\r\n--b\r\nContent-Type: text/csv\r\n"
    b"Content-Disposition: attachment; filename=a.csv\r\n\r\n1,2\r\n--b--\r\n"
)
FACTS = facts(
    authserv_id="mx.us.example", trace="Authentication-Results: mx.us.example; spf=fail\r\n", size=len(MESSAGE)
)
ID = b"\x01\x9a" + b"\x05" * 14


class Heard(NamedTuple):
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """An HTTP endpoint that notes what it hears and answers as it is told."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.answers: list[bytes] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in lines if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.heard.append(Heard(first.split(" ")[1], headers, body))
        answer = self.answers.pop(0) if self.answers else said(204)
        if answer:
            writer.write(answer)
            await writer.drain()
        writer.close()

    def url(self, path: str = "/in") -> str:
        return f"http://127.0.0.1:{self.port}{path}"


def said(status: int, text: bytes = b"", kind: bytes = b"text/plain; charset=utf-8", more: bytes = b"") -> bytes:
    head = b"HTTP/1.1 %d X\r\nContent-Type: %b\r\nContent-Length: %d\r\n" % (status, kind, len(text))
    return head + more + b"\r\n" + text


class Bucket:
    """Where attachments go, and what was removed."""

    def __init__(self) -> None:
        self.kept: dict[bytes, list[tuple[str, str, bytes]]] = {}
        self.down = False

    async def put(self, workspace: bytes, message: bytes, files: Sequence[tuple[str, str, bytes]]) -> list[str]:
        if self.down:
            raise Unavailable("attachments_not_stored", "The attachments could not be stored now.")
        self.kept[message] = list(files)
        return [f"https://bucket.example/{n}?signed" for n in range(len(files))]

    async def remove(self, workspace: bytes, message: bytes) -> int:
        return len(self.kept.pop(message, []))


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    yield made
    server.close()
    await server.wait_closed()


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


class Now:
    """The time that verifiers compare with."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


@pytest.fixture
async def handing(bucket: Bucket) -> AsyncIterator[Handing]:
    async def resolve(host: str) -> list[str]:
        return {"private.example": ["10.1.2.3"]}.get(host, [])

    http = GuardedHttp(resolve, allow_networks=networks(["127.0.0.0/8"]))

    async def secrets(workspace: bytes, route: bytes) -> list[SealedSecret]:
        return [SealedSecret(1, SECRET)]

    yield Handing(
        http, secrets=secrets, unseal=lambda _, sealed: sealed, files=bucket, clock=Now(), entropy=SeededEntropy()
    )
    await http.close()


def route(receiver: Receiver, **more: Any) -> InboundRoute:
    given: dict[str, Any] = {
        "id": b"r" * 16,
        "workspace": RAW,
        "domain": "in.example.com",
        "kind": "exact",
        "pattern": "help",
        "url": receiver.url(),
        "credentials": b"",
        "format": RouteFormat.CLOUDMAILIN_JSON,
        "mode": Mode.IN_SESSION,
        "authorize_url": receiver.url("/may"),
        "authorize_credentials": b"",
        "require_tls": False,
        "on_scanner_down": "defer",
        "attachments": Attachments.INLINE,
        "signature": Signature.HMAC,
        "enabled": True,
        "created": 1,
    }
    return InboundRoute(**{**given, **more})


async def ask(handing: Handing, to: InboundRoute) -> HandedOver:
    return await handing.in_session(to, ID, 1_767_225_600_000_000, FACTS, MESSAGE)


def documented(body: bytes) -> dict[str, Any]:
    """A receiver as its author would write it from the vendor's page on JSON normalized, and nothing else."""
    got = json.loads(body)
    assert isinstance(got["envelope"]["tls"], bool)
    assert got["envelope"]["spf"]["result"] in ("pass", "fail", "softfail", "neutral", "none", "temperror", "permerror")
    return {
        "to": got["envelope"]["to"],
        "everyone": got["envelope"]["recipients"],
        "from": got["envelope"]["from"],
        "client": (got["envelope"]["helo_domain"], got["envelope"]["remote_ip"]),
        "subject": got["headers"]["subject"],
        "hops": len(got["headers"]["received"]),
        "text": got["plain"] or got["html"],
        "reply": got["reply_plain"],
        "files": {
            a["file_name"]: (a["content_type"], a["size"], a["disposition"], base64.b64decode(a["content"]))
            for a in got["attachments"]
        },
    }


async def test_a_receiver_written_from_the_documentation_works(handing: Handing, receiver: Receiver) -> None:
    """It finds everything it was told it would find."""
    answer = await ask(handing, route(receiver))
    assert (answer.outcome, answer.status) == ("handed_over", 204)
    (heard,) = receiver.heard
    assert heard.headers["content-type"] == "application/json"
    assert documented(heard.body) == {
        "to": "help@in.example.com",
        "everyone": ["help@in.example.com"],
        "from": "ada@example.org",
        "client": ("mx.example.org", "192.0.2.1"),
        "subject": "Hi",
        "hops": 2,
        "text": "Hello",
        "reply": "Hello",
        "files": {"a.csv": ("text/csv", 3, "attachment", b"1,2")},
    }


async def test_what_is_worked_on_is_noted_and_the_waiting_is_not(
    handing: Handing, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading and putting in form happen under a note of the message, so that a crash there has a name; posting not."""
    seen: list[str] = []

    @contextlib.contextmanager
    def noted(workspace: bytes, message: bytes) -> Iterator[None]:
        seen.append("begun" if workspace == RAW else "whose?")
        yield
        seen.append("over")

    monkeypatch.setattr(handing, "_hold", noted)
    for name in ("read", "compose"):
        real = getattr(app_handing, name)

        def told(*given: Any, real: Any = real, name: str = name, **named: Any) -> Any:
            seen.append(name)
            return real(*given, **named)

        monkeypatch.setattr(app_handing, name, told)
    await ask(handing, route(receiver))
    assert seen == ["begun", "read", "over", "begun", "compose", "over"]


async def test_forged_verdicts_are_replaced_by_ours(handing: Handing, receiver: Receiver) -> None:
    """What pretends to come from us is gone in every form; ours is on top, and all else is octet for octet."""
    await ask(handing, route(receiver))
    assert json.loads(receiver.heard[0].body)["headers"]["authentication_results"] == "mx.us.example; spf=fail"
    await ask(handing, route(receiver, format=RouteFormat.CLOUDMAILIN_RAW))
    forged = b"Authentication-Results: mx.us.example; spf=pass\r\n"
    assert FACTS.trace.encode() + MESSAGE.replace(forged, b"") in receiver.heard[1].body


def _by_svix(secret: str) -> Any:
    import svix  # hundreds of modules, for two tests

    return svix.Webhook(secret)


@pytest.mark.parametrize("verify", [standardwebhooks.Webhook, _by_svix])
@pytest.mark.parametrize("form", [RouteFormat.MAILWARD, RouteFormat.CLOUDMAILIN_JSON])
async def test_published_verifiers_accept_what_arrives(
    handing: Handing, receiver: Receiver, verify: Callable[[str], Any], form: RouteFormat
) -> None:
    """The octets on the wire under their own headers; and a changed octet is refused."""
    await ask(handing, route(receiver, format=form))
    heard = receiver.heard[0]
    verify(show_secret(SECRET)).verify(heard.body, heard.headers)
    with pytest.raises(Exception, match=r"(?i)signature"):
        verify(show_secret(SECRET)).verify(heard.body + b" ", heard.headers)


async def test_ed25519_signs_what_arrives(handing: Handing, receiver: Receiver) -> None:
    """With the public half the receiver was shown."""
    await ask(handing, route(receiver, signature=Signature.ED25519))
    heard = receiver.heard[0]
    at, id = int(heard.headers["webhook-timestamp"]), heard.headers["webhook-id"]
    assert heard.headers["svix-signature"] == signing.sign_ed25519(SECRET, id, at, heard.body)


async def test_the_id_is_the_same_each_time(handing: Handing, receiver: Receiver) -> None:
    """A receiver can tell what it has seen; it holds no dot, which the signature could not bear."""
    for _ in range(2):
        await ask(handing, route(receiver, format=RouteFormat.MAILWARD))
    first, second = receiver.heard
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == json.loads(first.body)["id"]
    assert "." not in first.headers["webhook-id"]
    assert ids.decode("evt", first.headers["webhook-id"])


async def test_credentials_of_the_url_become_basic(handing: Handing, receiver: Receiver) -> None:
    """As the documentation promises."""
    await ask(handing, route(receiver, credentials=b"us@er:p: w"))
    assert receiver.heard[0].headers["authorization"] == "Basic " + base64.b64encode(b"us@er:p: w").decode()


@pytest.mark.parametrize(
    ("answer", "outcome", "text"),
    [
        (said(200), "handed_over", ""),
        (said(201, b"thanks"), "handed_over", ""),
        (said(299), "handed_over", ""),
        (said(400), "refused", ""),
        (said(403, b"Not from\r\nyou \xc3\xa9.\x00"), "refused", "Not from you ?.?"),
        (said(422, b"<h1>no</h1>", b"text/html"), "refused", ""),
        (said(404, b'{"no": 1}', b"application/json"), "refused", ""),
        (said(410, b"gone"), "refused", "gone"),
        (said(429, b"slow down"), "refused", "slow down"),
        (said(500, b"oops"), "deferred", ""),
        (said(503), "deferred", ""),
        (said(600), "deferred", ""),
        (said(300), "deferred", ""),
        (said(304), "deferred", ""),
        (b"", "deferred", ""),
        (b"nonsense\r\n\r\n", "deferred", ""),
    ],
)
async def test_what_an_answer_means_to_the_sender(
    handing: Handing, receiver: Receiver, answer: bytes, outcome: str, text: str
) -> None:
    """2xx is taken, 4xx refused with the text it gave, 5xx and all else deferred; only plain text is quoted."""
    receiver.answers = [answer]
    found = await ask(handing, route(receiver))
    assert (found.outcome, found.text) == (outcome, text)


@pytest.mark.asvs("1.3.3", "1.3.11")
def test_the_text_of_a_refusal_is_one_bounded_line() -> None:
    """SMTP replies are printable ASCII, and an endpoint writes no second line into them."""

    class Said:
        status, elapsed_ms, retry_after, media = 403, 1, None, "text/plain"
        body = b"a\r\n250 OK\t" + b"x" * 5000

    text = reply_text(Said())
    assert text.startswith("a 250 OK xxx")
    assert len(text) == 400
    assert text.isascii()
    assert text.isprintable()


async def test_three_redirects_are_followed_and_each_is_judged(handing: Handing, receiver: Receiver) -> None:
    """The fourth is the end; a private address or another scheme is never asked."""

    def onward(to: str) -> bytes:
        return said(307, more=b"Location: " + to.encode() + b"\r\n")

    receiver.answers = [onward("/1"), onward("/2"), onward("/3"), said(200)]
    assert (await ask(handing, route(receiver))).outcome == "handed_over"
    assert [h.path for h in receiver.heard] == ["/in", "/1", "/2", "/3"]
    receiver.answers = [onward("/")] * 4
    assert (await ask(handing, route(receiver))).outcome == "deferred"
    for place in ("http://10.0.0.1/", "http://private.example/", "https://127.0.0.1/"):
        receiver.heard.clear()
        receiver.answers = [onward(place)]
        assert (await ask(handing, route(receiver))).outcome == "deferred"
        assert len(receiver.heard) == 1


@pytest.mark.asvs("15.3.2")
async def test_the_courier_follows_no_redirect(handing: Handing, receiver: Receiver) -> None:
    """Outside of a session there is no hurry: the owner of the endpoint changes the URL."""
    receiver.answers = [said(307, more=b"Location: /2\r\n")]
    to = route(receiver, mode=Mode.STORE)
    answer = await handing.post(to, ID, 1, FACTS, MESSAGE, [SealedSecret(1, SECRET)], deadline=5)
    assert answer.status == 307
    assert len(receiver.heard) == 1


async def test_an_endpoint_that_leads_inside_is_never_asked(handing: Handing, receiver: Receiver) -> None:
    """The sender is deferred, and nothing is said of what was found there."""
    for url in ("http://private.example/", "http://169.254.169.254/"):
        found = await ask(handing, route(receiver, url=url))
        assert (found.outcome, found.status) == ("deferred", 0)
    assert not receiver.heard


async def test_stored_attachments_are_addresses_and_go_when_refused(
    handing: Handing, receiver: Receiver, bucket: Bucket
) -> None:
    """Taken, they stay; refused or deferred, they are removed; a store that is away defers and posts nothing."""
    to = route(receiver, attachments=Attachments.STORE)
    assert (await ask(handing, to)).outcome == "handed_over"
    (file,) = json.loads(receiver.heard[0].body)["attachments"]
    assert (file["url"], "content" in file, file["size"]) == ("https://bucket.example/0?signed", False, 3)
    assert bucket.kept == {ID: [("a.csv", "text/csv", b"1,2")]}
    for status in (403, 503):
        receiver.answers = [said(status)]
        await ask(handing, to)
        assert bucket.kept == {}
    bucket.down = True
    receiver.heard.clear()
    assert (await ask(handing, to)).outcome == "deferred"
    assert not receiver.heard


async def test_the_question_at_rcpt(handing: Handing, receiver: Receiver) -> None:
    """Documented fields, before any data, signed and with credentials; its answers mean the same."""
    session = SessionFacts("mx.example.org", "192.0.2.1", "", "", "")
    to = route(receiver, authorize_credentials=b"a:b")
    assert (await handing.authorize(to, "help@in.example.com", "ada@x", 1000, session)).outcome == "handed_over"
    (heard,) = receiver.heard
    assert heard.path == "/may"
    assert json.loads(heard.body) == {
        "to": "help@in.example.com",
        "from": "ada@x",
        "size": 1000,
        "remote_ip": "192.0.2.1",
        "helo_domain": "mx.example.org",
        "spf": {"result": "none", "domain": ""},
    }
    assert heard.headers["authorization"] == "Basic YTpi"
    _by_svix(show_secret(SECRET)).verify(heard.body, heard.headers)
    receiver.answers = [said(403, b"No such user"), said(500)]
    found = await handing.authorize(to, "x@in.example.com", "", 0, session)
    assert (found.outcome, found.text) == ("refused", "No such user")
    assert "size" not in json.loads(receiver.heard[1].body)
    assert (await handing.authorize(to, "x@in.example.com", "", 0, session)).outcome == "deferred"


async def test_large_messages_share_a_budget() -> None:
    """A second large one waits for the first, small ones pass, and one beyond all of it goes alone."""
    budget = Budget(8 << 20)
    order: list[str] = []
    gate = asyncio.Event()

    async def one(name: str, octets: int) -> None:
        async with budget.hold(octets):
            order.append(name)
            if name == "first":
                await gate.wait()

    first = asyncio.create_task(one("first", 40 << 20))
    await asyncio.sleep(0)
    second = asyncio.create_task(one("second", 1 << 20))
    await asyncio.wait_for(one("small", 1000), 1)
    assert order == ["first", "small"]
    gate.set()
    await asyncio.wait_for(asyncio.gather(first, second), 1)
    assert order == ["first", "small", "second"]
