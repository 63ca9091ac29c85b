"""Sending: one, many, raw; idempotency; what is handed to the platform."""

from __future__ import annotations

import base64
import threading
from typing import Any

import httpx
import pytest

from mailward.base.errors import LimitReached, NotFound
from mailward.edges.web.api import send
from mailward.edges.web.api.compose import compose_raw
from tests.edges.web.conftest import SEND, Site, post


async def test_accepted(site: Site, api: httpx.AsyncClient) -> None:
    """A message is answered with 202, its ids, and one delivery a recipient, each address once."""
    body = SEND | {"cc": ["Bob <bob@example.net>", "c@example.net"], "bcc": ["d@example.net"], "tags": ["x"]}
    answer = await post(api, "/v1/messages", body)
    assert answer.status_code == 202
    told = answer.json()
    assert told["id"].startswith("msg_")
    assert told["status"] == "queued"
    assert [d["recipient"] for d in told["deliveries"]] == ["bob@example.net", "c@example.net", "d@example.net"]
    (item,) = site.platform.messages.submitted
    assert item.header_from == "ada@example.com"
    assert item.tags == ("x",)


@pytest.mark.asvs("2.2.3")
async def test_unverified_domain(api: httpx.AsyncClient) -> None:
    """A sender whose domain is not verified is 403."""
    answer = await post(api, "/v1/messages", SEND | {"from": "a@other.example"})
    assert (answer.status_code, answer.json()["code"]) == (403, "domain_not_verified")


async def test_dry_run(site: Site, api: httpx.AsyncClient) -> None:
    """A dry run is 200 with what would happen, and nothing is kept."""
    answer = await post(api, "/v1/messages", SEND | {"dry_run": True})
    assert (answer.status_code, answer.json()["would"]) == (200, "queue")
    assert not site.platform.messages.submitted


async def test_scheduled(site: Site, api: httpx.AsyncClient) -> None:
    """A time within 30 days is kept; one that has passed means now."""
    answer = await post(api, "/v1/messages", SEND | {"scheduled_at": "2030-01-31T11:59:59+00:00"})
    assert (answer.status_code, answer.json()["status"]) == (202, "scheduled")
    answer = await post(api, "/v1/messages", SEND | {"scheduled_at": "2020-01-01T00:00:00Z"})
    assert (answer.status_code, answer.json()["status"]) == (202, "queued")


async def test_idempotency(site: Site, api: httpx.AsyncClient) -> None:
    """The same key with the same body repeats the answer and says so; with another body it is 409."""
    first = await post(api, "/v1/messages", SEND, idempotency_key="k1")
    again = await post(api, "/v1/messages", SEND, idempotency_key="k1")
    other = await post(api, "/v1/messages", SEND | {"subject": "Other"}, idempotency_key="k1")
    assert first.json() == again.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert len(site.platform.messages.submitted) == 1
    for bad in ("", "x" * 256, "a b"):
        answer = await post(api, "/v1/messages", SEND, idempotency_key=bad)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_idempotency_key")


async def test_an_idempotent_request_is_built_alike(site: Site, api: httpx.AsyncClient) -> None:
    """Whoever answers the repetition builds the same Message-ID; another key or body gets another one."""
    for kept in ("k1", "k1", "k2"):
        site.platform.messages.answers.clear()
        await post(api, "/v1/messages", SEND, idempotency_key=kept)
        site.platform.messages.answers.clear()
        await api.post(
            "/v1/messages/raw",
            content=RAW.replace(b"Message-ID: <1@example.com>\r\n", b""),
            headers={"content-type": "message/rfc822", "idempotency-key": kept},
        )
    first, raw, again, raw_again, other, raw_other = (item.message_id for item in site.platform.messages.submitted)
    assert (first, raw) == (again, raw_again)
    assert len({first, raw, other, raw_other}) == 4


async def test_batch(site: Site, api: httpx.AsyncClient) -> None:
    """Each message has its own result, in order; the whole batch is handed over in one call."""
    messages = [SEND | {"subject": str(i)} for i in range(100)]
    answer = await post(api, "/v1/messages/batch", {"messages": messages})
    assert answer.status_code == 202
    told = answer.json()
    assert (told["accepted"], told["refused"], len(told["results"])) == (100, 0, 100)
    assert site.platform.messages.calls == 1
    assert [item.subject for item in site.platform.messages.submitted] == [str(i) for i in range(100)]


async def test_one_bad_item_does_not_spoil_the_others(site: Site, api: httpx.AsyncClient) -> None:
    """Wrong shape, wrong address, wrong domain: each is told at its index, the rest is accepted."""
    messages = [
        SEND,
        SEND | {"tags": 5},
        SEND | {"to": ["nobody"]},
        SEND | {"from": "a@other.example"},
        SEND,
    ]
    answer = await post(api, "/v1/messages/batch", {"messages": messages})
    assert answer.status_code == 202
    results = answer.json()["results"]
    assert [r.get("error", {}).get("code") for r in results] == [
        None,
        "invalid_field",
        "invalid_address",
        "domain_not_verified",
        None,
    ]
    assert results[1]["error"]["field"] == "messages[1].tags"
    assert results[2]["error"]["field"] == "messages[2].to[0]"
    assert len(site.platform.messages.submitted) == 2


async def test_atomic_batch(site: Site, api: httpx.AsyncClient) -> None:
    """With atomic, one bad item means that nothing is accepted, and the others say why."""
    answer = await post(api, "/v1/messages/batch", {"messages": [SEND, SEND | {"to": []}], "atomic": True})
    assert answer.status_code == 422
    assert [r["error"]["code"] for r in answer.json()["results"]] == ["batch_refused", "no_recipients"]
    assert not site.platform.messages.submitted


async def test_batch_limits(api: httpx.AsyncClient) -> None:
    """An empty batch, one of 501, and one with a field of its own that we do not know are refused as a whole."""
    for body, code in (
        ({"messages": []}, "invalid_field"),
        ({"messages": [SEND] * 501}, "too_many_messages"),
        ({"messages": [SEND | {"tags": 5}] * 501}, "too_many_messages"),
        ({"messages": [SEND], "workspace": "ws_x"}, "unknown_field"),
    ):
        answer = await post(api, "/v1/messages/batch", body)
        assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_batch_is_idempotent_as_a_whole(site: Site, api: httpx.AsyncClient) -> None:
    """A batch repeated under its key repeats every result."""
    body = {"messages": [SEND, SEND | {"subject": "2"}]}
    first = await post(api, "/v1/messages/batch", body, idempotency_key="b1")
    again = await post(api, "/v1/messages/batch", body, idempotency_key="b1")
    assert first.json() == again.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert len(site.platform.messages.submitted) == 2


async def test_a_key_of_a_batch_stands_for_all_of_it(site: Site, api: httpx.AsyncClient) -> None:
    """Another batch under it is 409 and nothing of it is sent; keys that look like those of items are others."""
    body = {"messages": [SEND, SEND | {"from": "a@other.example"}]}
    first = await post(api, "/v1/messages/batch", body, idempotency_key="b1")
    assert (first.status_code, first.json()["accepted"]) == (202, 1)
    more = {"messages": [*body["messages"], SEND]}
    answer = await post(api, "/v1/messages/batch", more, idempotency_key="b1")
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_reused")
    assert (await post(api, "/v1/messages", SEND, idempotency_key="b1")).status_code == 409
    assert (await post(api, "/v1/messages", SEND, idempotency_key="b1#0")).status_code == 202
    again = await post(api, "/v1/messages/batch", body, idempotency_key="b1")
    assert again.status_code == 202
    assert [r.get("error", {}).get("code") for r in again.json()["results"]] == [None, "domain_not_verified"]
    assert len(site.platform.messages.submitted) == 2


async def test_a_repeat_is_not_looked_at_again(
    site: Site, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its template may be gone and its time over: what was answered is answered, in a batch and for dry runs too."""
    asks = {k: v for k, v in SEND.items() if k not in ("subject", "text")} | {"template": "welcome"}
    batch = {"messages": [asks, SEND | {"dry_run": True}]}
    raw = RAW.replace(b"Message-ID: <1@example.com>\r\n", b"X-Mailward-Template: welcome\r\n")
    finished = {
        "content-type": "message/rfc822",
        "idempotency-key": "r",
        "envelope-to": '"a b"@example.net, c@example.net',
    }

    async def all_three() -> list[httpx.Response]:
        return [
            await post(api, "/v1/messages", asks, idempotency_key="t"),
            await post(api, "/v1/messages/batch", batch, idempotency_key="b"),
            await api.post("/v1/messages/raw", content=raw, headers=finished),
        ]

    first = await all_three()
    assert [a.status_code for a in first] == [202, 202, 202], [a.text for a in first]
    assert [d["recipient"] for d in first[2].json()["deliveries"]] == ['"a b"@example.net', "c@example.net"]

    async def gone(*_: Any) -> Any:
        raise NotFound("template_not_found", "There is no template with that name.")

    for name in ("filled", "filled_raw"):
        monkeypatch.setattr(site.platform.templates, name, gone)
    again = await all_three()
    assert [a.json() for a in again] == [a.json() for a in first]
    assert [a.headers["idempotent-replayed"] for a in again] == ["true"] * 3
    assert len(site.platform.messages.submitted) == 3


async def test_a_field_that_decides_is_sent_once(site: Site, api: httpx.AsyncClient) -> None:
    """Of two nobody can tell which was meant."""
    for name in ("idempotency-key", "envelope-to", "envelope-from"):
        headers = [("content-type", "message/rfc822"), (name, "a@example.com"), (name, "b@example.com")]
        answer = await api.post("/v1/messages/raw", content=RAW, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "duplicate_header"), name
    assert not site.platform.messages.submitted


async def test_an_envelope_is_divided_between_its_addresses(api: httpx.AsyncClient) -> None:
    """A comma within quotes belongs to the address, which is refused as the one it is."""
    headers = {"content-type": "message/rfc822", "envelope-to": 'c@example.net,"a,b"@example.net'}
    answer = await api.post("/v1/messages/raw", content=RAW, headers=headers)
    assert (answer.status_code, answer.json()["field"]) == (422, "to[1]")
    assert "part before @" in answer.json()["detail"]


async def test_beyond_the_rate_some_of_a_batch_passes(
    site: Site, api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each that did not says so, and the answer when to send those again."""
    real = site.platform.messages._one

    def limited(item: Any) -> Any:
        if item.subject == "late":
            return LimitReached("rate_limited", "Too many messages for now.", retry_after=6.2)
        return real(item)

    monkeypatch.setattr(site.platform.messages, "_one", limited)
    answer = await post(api, "/v1/messages/batch", {"messages": [SEND, SEND | {"subject": "late"}]})
    assert (answer.status_code, answer.headers["retry-after"]) == (202, "7")
    assert answer.json()["results"][1]["error"]["code"] == "rate_limited"


RAW = b"From: Ada <ada@example.com>\r\nTo: bob@example.net\r\nSubject: Raw\r\nMessage-ID: <1@example.com>\r\n\r\nHi\r\n"


async def test_raw_as_rfc822(site: Site, api: httpx.AsyncClient) -> None:
    """message/rfc822 is taken as it is, with its envelope in headers."""
    headers = {"content-type": "message/rfc822", "envelope-from": "ada@example.com", "envelope-to": "x@example.net"}
    answer = await api.post("/v1/messages/raw", content=RAW, headers=headers)
    assert answer.status_code == 202, answer.text
    (item,) = site.platform.messages.submitted
    assert item.content.endswith(RAW.partition(b"\r\n\r\n")[2])
    assert b"\r\nSubject: Raw\r\n" in item.content
    assert item.message_id == "<1@example.com>"
    assert list(item.recipients) == ["x@example.net"]
    assert item.header_from == "ada@example.com"


@pytest.mark.parametrize("lines", [1, 20_000])
async def test_a_large_raw_message_is_prepared_beside_others(
    site: Site, api: httpx.AsyncClient, lines: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a megabyte on in a thread, with the same outcome."""
    beside: list[bool] = []

    def noting(*given: Any) -> Any:
        beside.append(threading.current_thread() is not threading.main_thread())
        return compose_raw(*given)

    monkeypatch.setattr(send, "compose_raw", noting)
    raw = RAW + (b"x" * 70 + b"\r\n") * lines
    headers = {"content-type": "message/rfc822", "envelope-to": "x@example.net"}
    answer = await api.post("/v1/messages/raw", content=raw, headers=headers)
    assert answer.status_code == 202, answer.text
    (item,) = site.platform.messages.submitted
    assert item.content.endswith(raw.partition(b"\r\n\r\n")[2])
    assert beside == [lines > 1]


async def test_an_envelope_is_never_overlooked(site: Site, api: httpx.AsyncClient) -> None:
    """Envelope headers beside JSON are refused: unread they would send the message to those in its own header."""
    body = {"raw": base64.b64encode(RAW).decode()}
    answer = await api.post("/v1/messages/raw", json=body, headers={"envelope-to": "x@example.net"})
    assert (answer.status_code, answer.json()["field"]) == (422, "Envelope-To")
    assert not site.platform.messages.submitted


async def test_raw_as_json(site: Site, api: httpx.AsyncClient) -> None:
    """Base64 in JSON is the same message; without an envelope the recipients are those of the header."""
    body = {"raw": base64.b64encode(RAW).decode(), "tags": ["r"]}
    answer = await post(api, "/v1/messages/raw", body)
    assert answer.status_code == 202, answer.text
    (item,) = site.platform.messages.submitted
    assert list(item.recipients) == ["bob@example.net"]
    assert item.tags == ("r",)


async def test_raw_without_carriage_returns(site: Site, api: httpx.AsyncClient) -> None:
    """A file with Unix line ends is given CRLF; a mixture is refused, and Bcc never leaves."""
    unix = RAW.replace(b"\r\n", b"\n").replace(b"Subject", b"Bcc: secret@example.net\nSubject")
    answer = await api.post("/v1/messages/raw", content=unix, headers={"content-type": "message/rfc822"})
    assert answer.status_code == 202
    (item,) = site.platform.messages.submitted
    assert item.content.count(b"\n") == item.content.count(b"\r\n")
    assert list(item.recipients) == ["bob@example.net", "secret@example.net"]
    assert b"secret" not in item.content
    answer = await api.post("/v1/messages/raw", content=RAW + b"x\n", headers={"content-type": "message/rfc822"})
    assert (answer.status_code, answer.json()["code"]) == (422, "bare_newline")


async def test_raw_goes_to_whom_it_was_resent(site: Site, api: httpx.AsyncClient) -> None:
    """Resent once: to those of Resent-To, never to the first recipients again. Twice is not for us to guess."""
    resent = b"Resent-From: ada@example.com\r\nResent-To: eve@example.net\r\nResent-Bcc: joe@example.net\r\n"
    headers = {"content-type": "message/rfc822"}
    assert (await api.post("/v1/messages/raw", content=resent + RAW, headers=headers)).status_code == 202
    (item,) = site.platform.messages.submitted
    assert list(item.recipients) == ["eve@example.net", "joe@example.net"]
    answer = await api.post("/v1/messages/raw", content=resent + resent + RAW, headers=headers)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, "header_duplicate", "to")
    nobody = b"Resent-From: ada@example.com\r\n"
    answer = await api.post("/v1/messages/raw", content=nobody + RAW, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "no_recipients")


async def test_an_envelope_field_that_is_all_quotes_and_backslashes(site: Site, api: httpx.AsyncClient) -> None:
    """Commas inside quotes part nothing, and the field is read once from left to right, however it is meant."""
    for text in ('"a,b"@example.net', '"\\",x"@example.net', '"\\' * 3000, '\\"' * 3000, '"' * 6000, '",' * 3000):
        headers = {"content-type": "message/rfc822", "envelope-to": text}
        answer = await api.post("/v1/messages/raw", content=RAW, headers=headers)
        assert (answer.status_code, answer.json()["code"]) in ((422, "invalid_address"), (422, "too_long"))
    assert site.platform.messages.submitted == []


async def test_raw_to_undisclosed_recipients(site: Site, api: httpx.AsyncClient) -> None:
    """A group without members names nobody; one with members is refused with its field."""
    headers = {"content-type": "message/rfc822"}
    hidden = RAW.replace(b"To: bob@example.net", b"To: undisclosed-recipients:;\r\nBcc: bob@example.net")
    assert (await api.post("/v1/messages/raw", content=hidden, headers=headers)).status_code == 202
    (item,) = site.platform.messages.submitted
    assert list(item.recipients) == ["bob@example.net"]
    group = RAW.replace(b"To: bob@example.net", b"To: Team: bob@example.net;")
    answer = await api.post("/v1/messages/raw", content=group, headers=headers)
    assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (422, "invalid_address", "to")


async def test_raw_names_every_domain_it_speaks_for(site: Site, api: httpx.AsyncClient) -> None:
    """Sender and Resent-From are handed over too, so that none of them escapes the check of domains."""
    raw = b"Sender: s@other.example\r\nResent-From: r@third.example\r\n" + RAW
    headers = {"content-type": "message/rfc822", "envelope-to": "x@example.net"}
    await api.post("/v1/messages/raw", content=raw, headers=headers)
    (item,) = site.platform.messages.submitted
    assert set(item.domains) == {"example.com", "other.example", "third.example"}


@pytest.mark.asvs("2.2.3")
async def test_broadcast_needs_a_way_out(site: Site, api: httpx.AsyncClient) -> None:
    """A broadcast without List-Unsubscribe is refused; with a URL it carries the one-click pair of RFC 8058."""
    answer = await post(api, "/v1/messages", SEND | {"stream": "broadcast"})
    assert (answer.status_code, answer.json()["code"]) == (422, "unsubscribe_required")
    way_out = {"url": "https://example.com/u/1"}
    answer = await post(api, "/v1/messages", SEND | {"stream": "broadcast", "list_unsubscribe": way_out})
    assert answer.status_code == 202
    (item,) = site.platform.messages.submitted
    assert b"List-Unsubscribe: <https://example.com/u/1>\r\n" in item.content
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in item.content
    for text, status in (("write to us", 422), ("<mailto:leave@example.com>", 202)):
        own = {"stream": "broadcast", "headers": {"List-Unsubscribe": text}}
        assert (await post(api, "/v1/messages", SEND | own)).status_code == status


async def test_a_finished_broadcast_needs_a_way_out(site: Site, api: httpx.AsyncClient) -> None:
    """The same holds for a message that somebody else has written: its own header says the way."""
    body = {"raw": base64.b64encode(RAW).decode(), "stream": "broadcast"}
    answer = await post(api, "/v1/messages/raw", body)
    assert (answer.status_code, answer.json()["code"]) == (422, "unsubscribe_required")
    way_out = b"List-Unsubscribe: <https://example.com/u/1>\r\n" + RAW
    answer = await post(api, "/v1/messages/raw", body | {"raw": base64.b64encode(way_out).decode()})
    assert answer.status_code == 202
    assert len(site.platform.messages.submitted) == 1
    nowhere = way_out.replace(b"<https://example.com/u/1>", b"https://example.com/u/1")
    answer = await post(api, "/v1/messages/raw", body | {"raw": base64.b64encode(nowhere).decode()})
    assert (answer.status_code, answer.json()["code"]) == (422, "unsubscribe_required")


async def test_a_finished_message_says_what_the_request_does_not(site: Site, api: httpx.AsyncClient) -> None:
    """Stream, tags, metadata and test mode of its header count where the request is silent, and do not leave."""
    head = (
        b"X-Mailward-Stream: broadcast\r\nX-Mailward-Tag: a\r\n"
        b"X-Mailward-Metadata-N: 1\r\nX-Mailward-Test-Mode: yes\r\n"
    )
    raw = base64.b64encode(head + b"List-Unsubscribe: <https://example.com/u>\r\n" + RAW).decode()
    assert (await post(api, "/v1/messages/raw", {"raw": raw})).status_code == 202
    assert (await post(api, "/v1/messages/raw", {"raw": raw, "tags": ["b"], "metadata": {"m": "2"}})).status_code == 202
    one, two = site.platform.messages.submitted
    assert (one.stream, one.tags, one.metadata, one.test_mode) == ("broadcast", ("a",), {"N": "1"}, True)
    assert (two.tags, two.metadata) == (("b",), {"m": "2"})
    assert b"X-Mailward" not in one.content
    answer = await post(api, "/v1/messages/raw", {"raw": base64.b64encode(head + RAW).decode()})
    assert (answer.status_code, answer.json()["code"]) == (422, "unsubscribe_required")


@pytest.mark.parametrize("address", ["a%b@example.net", "b!a@example.net", '"a!b"@example.net'])
@pytest.mark.parametrize("field", ["from", "to", "cc", "bcc"])
async def test_an_address_names_one_destination(api: httpx.AsyncClient, field: str, address: str) -> None:
    """The old ways through an open relay are refused at this door as at the other."""
    answer = await post(api, "/v1/messages", SEND | {field: address})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_address")


EVIL = ["a\r\nBcc: x@y.example", "a\nb", "a\x00b", "=?UTF-8?Q?=0A?=Bcc: x@y.example", "a\u2028b", "a\u0085b"]


@pytest.mark.asvs("1.3.3", "1.3.11")
@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("where", ["subject", "from", "to", "reply_to", "headers", "filename", "content_id"])
async def test_header_injection(site: Site, api: httpx.AsyncClient, where: str, evil: str) -> None:
    """CVE-2024-6923 and its kin: a value that could end a header line is 422 wherever it stands."""
    changes: dict[str, dict[str, Any]] = {
        "subject": {"subject": evil},
        "from": {"from": f"{evil} <ada@example.com>"},
        "to": {"to": [{"email": "bob@example.net", "name": evil}]},
        "reply_to": {"reply_to": f'"{evil}" <x@example.net>'},
        "headers": {"headers": {"X-Note": evil}},
        "filename": {"attachments": [{"filename": evil, "content": "aGk="}]},
        "content_id": {"attachments": [{"filename": "a", "content": "aGk=", "content_id": evil}]},
    }
    answer = await post(api, "/v1/messages", SEND | changes[where])
    if answer.status_code == 202:  # an encoded word in a name is decoded, and shown as it was written
        assert where in ("from", "reply_to")
        (item,) = site.platform.messages.submitted
        names = [line.partition(b":")[0].lower() for line in item.content.partition(b"\r\n\r\n")[0].split(b"\r\n")]
        assert b"bcc" not in names
    else:
        assert answer.status_code == 422


async def test_forbidden_headers(api: httpx.AsyncClient) -> None:
    """Headers that say who vouches for a message are not the caller's to set."""
    for name in ("From", "bcc", "DKIM-Signature", "Received", "Content-Type", "Resent-From", "X Y"):
        answer = await post(api, "/v1/messages", SEND | {"headers": {name: "x"}})
        assert answer.status_code == 422, name
        assert answer.json()["field"].startswith("headers.")


async def test_a_template_says_what_is_sent(site: Site, api: httpx.AsyncClient) -> None:
    """With the data of its message, alone as in a batch; one that does not render is refused with its line."""
    named = {"from": "ada@example.com", "to": ["b@example.com"], "template": "welcome"}
    answer = await post(api, "/v1/messages", {**named, "data": {"x": 1}})
    assert answer.status_code == 202
    assert site.platform.messages.submitted[-1].subject == "Welcome"
    assert b"{'x': 1}" in site.platform.messages.submitted[-1].content
    batch = {"messages": [{**named, "data": {"n": 1}}, {**named, "data": {"bad": 1}}, {**named, "template": "none"}]}
    results = (await post(api, "/v1/messages/batch", batch)).json()["results"]
    assert "accepted" in results[0]
    assert [r["error"]["code"] for r in results[1:]] == ["template_error", "template_not_found"]
    assert "line 3" in results[1]["error"]["detail"]
    answer = await post(api, "/v1/messages", {**SEND, "data": {"x": 1}})
    assert (answer.status_code, answer.json()["code"]) == (422, "template_missing")
