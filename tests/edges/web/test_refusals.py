"""Each limit has its own code, and a refusal says where and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mailward.edges.web.limits import SEND_BODY, LocalLimiter, RateClass, WebLimits, default_rates
from mailward.policy.gcra import Rate
from tests.edges.web.conftest import SEND, Site, make_site, post
from tests.edges.web.fake_platform import READ
from tests.edges.web.fake_platform import SEND as SEND_KEY
from tests.spent import awaited_within

JSON = {"content-type": "application/json"}


def _with(**changes: Any) -> dict[str, Any]:
    return SEND | changes


def _attachment(n: int = 1) -> list[dict[str, str]]:
    return [{"filename": "a.txt", "content": "aGk="}] * n


@pytest.mark.asvs("1.3.3", "1.4.2", "2.2.1", "2.2.2", "2.2.3", "8.2.3", "15.3.3", "15.3.5")
@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"tags": ["a"] * 11}, "too_many_tags", "tags"),
        ({"to": ["a@b.example"] * 51}, "too_many_recipients", "to"),
        ({"to": [f"a{i}@b.example" for i in range(30)], "cc": [f"c{i}@b.example" for i in range(30)]},
         "too_many_recipients", "to"),
        ({"attachments": _attachment(101)}, "too_many_attachments", "attachments"),
        ({"metadata": {str(i): "x" for i in range(51)}}, "too_many_metadata", "metadata"),
        ({"headers": {f"X-{i}": "x" for i in range(51)}}, "too_many_custom_headers", "headers"),
        ({"subject": "x" * 999}, "subject_too_long", "subject"),
        ({"scheduled_at": "2030-02-02T12:00:00Z"}, "schedule_too_far", "scheduled_at"),
        ({"scheduled_at": "2030-01-02T12:00:00"}, "invalid_field", "scheduled_at"),
        ({"to": []}, "no_recipients", "to"),
        ({"text": None}, "no_content", "text"),
        ({"to": ["bob@example.net", "not an address"]}, "invalid_address", "to[1]"),
        ({"to": ["a@b.example@c.example"]}, "invalid_address", "to[0]"),
        ({"to": "user@good.example(x)evil.example"}, "invalid_address", "to"),
        ({"from": "a@example.com, b@example.com"}, "invalid_address", "from"),
        ({"attachments": [{"filename": "a", "content": "not base64"}]}, "invalid_field", "attachments[0].content"),
        ({"tags": ["a\n"]}, "invalid_field", "tags[0]"),
        ({"attachments": [{"filename": "a", "content": "aGk=", "content_type": "text/plain\n"}]}, "invalid_field",
         "attachments[0].content_type"),
        ({"attachments": [{"filename": "a", "content": "", "content_type": 'text/x; a="b'}]}, "invalid_field",
         "attachments[0].content_type"),
        ({"metadata": {"k" * 65: "v"}}, "too_long", "metadata"),
        ({"metadata": {"k": "v" * 501}}, "too_long", "metadata[*]"),
        ({"reply_to": ["n" * 990 + "@example.com"]}, "too_long", "reply_to[0]"),
        ({"to": "x" * 50_001}, "too_long", "to"),
        ({"list_unsubscribe": {"mailto": "mailto:u@b.example", "one_click": True}}, "list_unsubscribe_invalid",
         "list_unsubscribe"),
        ({"workspace": "ws_x"}, "unknown_field", "workspace"),
        ({"id": "msg_x"}, "unknown_field", "id"),
        ({"verified": True}, "unknown_field", "verified"),
        ({"tracking": "everything"}, "invalid_field", "tracking"),
        ({"stream": "other"}, "invalid_field", "stream"),
    ],
)  # fmt: skip
async def test_limit_code(api: httpx.AsyncClient, change: dict[str, Any], code: str, field: str) -> None:
    """What breaks a limit is 422 with that limit's code and the field; without the change it is accepted."""
    assert (await post(api, "/v1/messages", SEND)).status_code == 202
    answer = await post(api, "/v1/messages", _with(**change))
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert (told["code"], told["field"]) == (code, field)
    assert told["type"] == f"/problems/{code}"
    assert told["request_id"] == answer.headers["x-request-id"]


@pytest.mark.asvs("1.5.2", "15.2.2", "15.3.5")
@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "missing_body"),
        (b"{", 400, "invalid_json"),
        (b'{"from":"a@example.com","to":"b@example.net","text":NaN}', 400, "invalid_json"),
        (b'{"from":"a@example.com","to":"b@example.net","text":"\\ud800"}', 400, "invalid_encoding"),
        (b'{"from":"a@example.com","to":"b@example.net","text":"\\ud800x"}', 400, "invalid_encoding"),
        (b'{"from":"a@example.com","to":"b@example.net","text":"\\ud800"', 400, "invalid_json"),
        (b'{"from":"a@example.com","to":"b@example.net","text":"\xff"}', 400, "invalid_encoding"),
        (b'{"from":"a@example.com","to":"b@example.net","text":"a","text":"b"}', 400, "duplicate_key"),
        (b'{"from":"a@example.com","to":"b@example.net","text":"a","metadata":{"k":"1","k":"2"}}', 400,
         "duplicate_key"),
        (b"\xef\xbb\xbf{}", 400, "invalid_json"),
        (b'{"from":' + b"[" * 100_000, 400, "invalid_json"),
        (b"[" * 100_000, 400, "invalid_json"),
        (b"[" * 100_000 + b"]" * 100_000, 400, "invalid_json"),
        (b'{"x":' * 100_000 + b"1" + b"}" * 100_000, 400, "invalid_json"),
        (b'{"metadata":' + b'{"a":' * 100_000, 400, "invalid_json"),
        (b'{"scheduled_at":1e400}', 400, "invalid_json"),
        (b'{"scheduled_at":' + b"9" * 100_000 + b"}", 400, "invalid_json"),
        (b'{"scheduled_at":5,"text":tru}', 400, "invalid_json"),
        (b'{"scheduled_at":5,"text":"\xff"}', 400, "invalid_encoding"),
        (b'{"scheduled_at":5,"text":"x"}', 422, "invalid_field"),
        (b'{"metadata":{' + b",".join(b'"%d":""' % i for i in range(100_000)) + b"}}", 422, "too_many_metadata"),
        (b'{"to":[' + b",".join([b'"a@b.example"'] * 200_000) + b"]}", 422, "too_many_recipients"),
        (b'{"data":{"a":"' + b"x" * 1_000_000 + b'"}}', 422, "missing_field"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
async def test_hostile_json(api: httpx.AsyncClient, body: bytes, status: int, code: str) -> None:
    """Bombs, depth, NaN, surrogates and duplicate keys are refused, in less than half a second."""
    answer = await awaited_within(0.5, lambda: post(api, "/v1/messages", body))
    assert (answer.status_code, answer.json()["code"]) == (status, code)


_SPELT = {
    "plain": b'"%d":""',
    "blank": b'"%d" :""',
    "break": b'"%d"\r\n\t: ""',
    "backslash": b'"%d\\\\":""',
    "quote": b'"\\"%d":""',
}


def _keys(how: str) -> bytes:
    return b",".join(_SPELT[how] % i for i in range(600_000))


def _many(value: bytes, times: int) -> bytes:
    return b",".join([value] * times)


_CROWDS: dict[str, Callable[[], bytes]] = {
    **{f"metadata {how}": lambda h=how: b'"metadata":{%s}' % _keys(h) for how in _SPELT},  # type: ignore[misc]
    **{f: lambda f=f: b'"%s":{%s}' % (f.encode(), _keys("blank")) for f in ("headers", "data", "x")},  # type: ignore[misc]
    "top": lambda: _keys("plain"),
    "metadata twice": lambda: b'"metadata":{%s},"metadata":{}' % _keys("blank"),
    "tags twice": lambda: b'"tags":[%s],"tags":[]' % _many(b'"a"', 2_000_000),
    "lists": lambda: b'"data":{"a":[%s]},"data":{}' % _many(b"[]", 3_000_000),
    "nested lists": lambda: b'"data":{"a":[%s]},"data":{}' % _many(b"[" * 100 + b"]" * 100, 40_000),
    "beside a text": lambda: b'"text":"%s","tags":[%s],"tags":[]' % (b'\\",' * 300_000, _many(b'"a"', 1_000_000)),
}  # fmt: skip
_ITEM = b'"from":"a@b.example","to":"c@d.example","text":"x"'


@pytest.mark.parametrize("crowd", _CROWDS)
async def test_a_million_values(api: httpx.AsyncClient, crowd: str) -> None:
    """Wherever they stand and however they are spelt they are refused before they are made."""
    path = "/v1/messages/batch" if len(crowd) % 2 else "/v1/messages"
    body = b"{%s,%s}" % (_ITEM, _CROWDS[crowd]())
    body = b'{"messages":[%s]}' % body if path.endswith("batch") else body
    answer = await awaited_within(0.5, lambda: post(api, path, body))
    assert (answer.status_code, answer.json()["code"]) == (400, "too_many_values")


async def test_what_is_within_its_limits_is_taken(api: httpx.AsyncClient) -> None:
    """Fifty recipients in one text however long it is, a type with parameters, a way out by mail alone."""
    for change in (
        {"to": ", ".join(f"recipient.number.{n:02}.of.many@example-{n:02}.example" for n in range(50))},
        {"attachments": [{"filename": "i.ics", "content": "aGk=", "content_type": "text/calendar; method=REQUEST"}]},
        {"list_unsubscribe": {"mailto": "mailto:u@b.example"}},
        {"list_unsubscribe": {"url": "https://b.example/u", "one_click": False}},
    ):
        answer = await post(api, "/v1/messages", _with(**change))
        assert answer.status_code == 202, answer.text


async def test_a_long_text_is_one_value(api: httpx.AsyncClient) -> None:
    """Whatever it is of: a table of numbers, source code, JSON in JSON."""
    for text in ("1,2,3;" * 400_000, '{"a":[1,{"b":[2]}]},\n' * 150_000, '\\",[{' * 300_000):
        answer = await post(api, "/v1/messages", _with(text=text))
        assert answer.status_code == 202, answer.text


async def test_an_empty_name_is_named_by_its_place(api: httpx.AsyncClient) -> None:
    """The field is the one that holds it, and nothing of the decoder's own words is told."""
    answer = await post(api, "/v1/messages", _with(metadata={"": "x"}))
    assert (answer.status_code, answer.json()["field"]) == (422, "metadata")
    assert "$" not in answer.json()["detail"]


@pytest.mark.asvs("5.2.1")
async def test_body_too_large_is_refused_before_it_is_read(site: Site) -> None:
    """A body that is announced larger than the limit is 413 at once; one that lies about its length is 400."""
    async with site.client() as client:
        answer = await client.post("/v1/messages", content=b"x", headers=JSON | {"content-length": str(SEND_BODY + 1)})
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
        answer = await client.post("/v1/domains", content=b"x" * (1024 * 1024 + 1), headers=JSON)
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
        answer = await client.post("/v1/messages", content=b"{}", headers=JSON | {"content-length": "3"})
        assert (answer.status_code, answer.json()["code"]) == (400, "request_incomplete")


@pytest.mark.asvs("15.2.2")
async def test_bodies_in_flight_are_bounded() -> None:
    """When the process holds as much request data as it may, a new body is told to come back."""
    site = make_site(WebLimits(in_flight=1000))
    async with site.client() as client:
        answer = await post(client, "/v1/messages", b" " * 1001)
        assert (answer.status_code, answer.json()["code"]) == (503, "busy")
        assert answer.headers["retry-after"]
        assert (await post(client, "/v1/messages", SEND)).status_code == 202


@pytest.mark.asvs("3.5.1", "3.5.2")
async def test_media_type(api: httpx.AsyncClient) -> None:
    """Another media type, charset or a compressed body is 415: form posts from a web page cannot reach a handler."""
    for headers in (
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json; charset=utf-16"},
        {"content-type": "application/json", "content-encoding": "gzip"},
        {},
    ):
        answer = await api.post("/v1/messages", content=b"{}", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    answer = await api.post("/v1/messages", content=b"{}", headers={"content-type": "Application/JSON; charset=UTF-8"})
    assert answer.status_code == 422


async def test_credentials(site: Site) -> None:
    """No credential, a wrong one, or one in another form is 401 with a challenge; both good forms pass."""
    async with site.client(None) as client:
        for value in (None, "Bearer", "Bearer wrong", "Digest x", "Basic !!", "Basic YXBpOndyb25n", "Bearer a b"):
            headers = {"authorization": value} if value else {}
            answer = await client.get("/v1/workspace", headers=headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")
        assert (await client.get("/v1/workspace", headers={"authorization": "bearer mw_live_read"})).status_code == 200
        assert (await client.get("/v1/workspace", auth=("api", READ))).status_code == 200
        assert (await client.get("/v1/workspace", auth=("admin", READ))).status_code == 401


async def test_scopes(site: Site) -> None:
    """A key without the permission is 403 and nothing was read of its body."""
    async with site.client(READ) as client:
        answer = await client.post("/v1/messages", content=b"{", headers=JSON)
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    async with site.client(SEND_KEY) as client:
        assert (await client.get("/v1/messages")).status_code == 403
        assert (await post(client, "/v1/messages", SEND)).status_code == 202


@pytest.mark.asvs("4.1.2", "12.2.1")
async def test_plain_http_from_elsewhere_is_refused(site: Site) -> None:
    """A key is not read from a connection that others can listen to."""
    async with site.client(peer="192.0.2.7") as client:
        answer = await client.get("/v1/workspace")
        assert (answer.status_code, answer.json()["code"]) == (403, "connection_not_private")
    assert site.authenticator.asked == 0
    async with site.client(peer="192.0.2.7", scheme="https") as client:
        answer = await client.get("/v1/workspace")
        assert answer.status_code == 200
        assert "max-age" in answer.headers["strict-transport-security"]


@pytest.mark.asvs("2.4.1")
async def test_rates() -> None:
    """Past the quota it is 429 with Retry-After, and the headers count down; another class is not touched."""
    rates = default_rates() | {RateClass.READ: Rate("read", 2, 60)}
    site = make_site(WebLimits(rates=rates))
    async with site.client() as client:
        answers = [await client.get("/v1/workspace") for _ in range(3)]
        assert [a.status_code for a in answers] == [200, 200, 429]
        assert [a.headers["ratelimit"] for a in answers][:2] == ['"read";r=1;t=31', '"read";r=0;t=61']
        assert answers[0].headers["ratelimit-policy"] == '"read";q=2;w=60'
        assert (answers[2].json()["code"], answers[2].headers["retry-after"]) == ("rate_limited", "30")
        assert (await post(client, "/v1/messages", SEND)).status_code == 202
        site.clock.seconds += 30
        assert (await client.get("/v1/workspace")).status_code == 200


@pytest.mark.asvs("2.4.1")
async def test_failed_credentials_are_limited_by_address() -> None:
    """Guessing keys is 429 after the quota for that address; another address is still told 401."""
    rates = default_rates() | {RateClass.AUTH_FAILURE: Rate("auth-failure", 3, 60)}
    site = make_site(WebLimits(rates=rates))
    async with site.client("guess", peer="127.0.0.1") as client:
        assert [(await client.get("/v1/usage")).status_code for _ in range(4)] == [401, 401, 401, 429]
    async with site.client("guess", peer="127.0.0.2") as client:
        assert (await client.get("/v1/usage")).status_code == 401


async def test_limiter_stays_small() -> None:
    """Millions of keys do not grow the table of buckets without end."""
    limiter = LocalLimiter(lambda: 0.0, capacity=100)
    for i in range(1000):
        await limiter.take(str(i), Rate("x", 1, 60))
    assert len(limiter._buckets) <= 100


@pytest.mark.asvs("1.4.2", "15.3.5", "15.3.7")
async def test_query(api: httpx.AsyncClient) -> None:
    """Unknown, repeated and half-typed parameters are refused by name."""
    for query, code, field in (
        ("limit=0", "invalid_parameter", "limit"),
        ("limit=101", "invalid_parameter", "limit"),
        ("limit=1e1", "invalid_parameter", "limit"),
        ("limit=1&limit=2", "duplicate_parameter", "limit"),
        ("sort=id", "unknown_parameter", "sort"),
        ("since=12", "invalid_parameter", "since"),
        ("cursor=' OR 1=1--", "invalid_parameter", "cursor"),
        ("status=' OR 1=1--", "invalid_parameter", "status"),
        ("tag=%FF", "invalid_parameter", ""),
        ("from=a%00b", "invalid_parameter", ""),
    ):
        answer = await api.get(f"/v1/messages?{query}")
        assert answer.status_code == 422, query
        assert (answer.json()["code"], answer.json().get("field", "")) == (code, field)
    assert (await api.get("/v1/messages?limit=10&since=2030-01-01T00:00:00Z&from=ada@example.com")).status_code == 200


@pytest.mark.asvs("3.4.2", "13.4.4")
async def test_methods_and_paths(api: httpx.AsyncClient) -> None:
    """A method that is not served is 405 with Allow, override headers change nothing, unknown paths are 404."""
    answer = await api.request("PUT", "/v1/messages")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")
    answer = await api.get("/v1/workspace", headers={"x-http-method-override": "DELETE"})
    assert answer.status_code == 200
    answer = await api.get("/v1/nothing")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    answer = await api.get("/v1/templates/a%00b")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter")
    answer = await api.request("OPTIONS", "/v1/messages", headers={"origin": "null"})
    assert answer.status_code == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.asvs("13.4.2", "16.5.1")
async def test_unknown_error_is_internal(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error nobody foresaw says "internal error": no class name, no text of it."""

    async def broken(*args: object) -> None:
        raise KeyError("a secret of ours")

    monkeypatch.setattr(site.platform.workspace, "get", broken)
    async with site.client() as client:
        answer = await client.get("/v1/workspace")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "secret" not in answer.text
    assert "KeyError" not in answer.text


@pytest.mark.asvs("3.2.1", "3.4.4", "3.4.5", "3.4.6", "14.2.2", "14.3.2")
async def test_security_headers(api: httpx.AsyncClient) -> None:
    """Every answer, also a refusal, is neither cached nor framed nor sniffed."""
    for path in ("/v1/workspace", "/v1/nothing", "/healthz", "/v1/messages/msg_x"):
        headers = (await api.get(path)).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "Authorization" in headers["vary"]


@pytest.mark.asvs("15.3.7")
async def test_ambiguous_requests(site: Site) -> None:
    """What appears twice, chunks, headers without end, no host, an upgrade: refused, and the connection closed."""
    async with site.client() as client:
        for headers, status, code in (
            ([("host", "a"), ("host", "b")], 400, "duplicate_header"),
            ([("content-type", "application/json"), ("content-type", "text/plain")], 400, "duplicate_header"),
            ([("authorization", "Bearer a"), ("authorization", "Bearer b")], 400, "duplicate_header"),
            ([("transfer-encoding", "chunked")], 411, "length_required"),
            ([(f"x-{i}", "y") for i in range(80)], 431, "too_many_headers"),
            ([("host", "a b")], 400, "missing_host"),
            ([("host", "a@b")], 400, "missing_host"),
            ([("host", "[::1")], 400, "missing_host"),
            ([("upgrade", "H2C"), ("connection", "upgrade")], 400, "request_ambiguous"),
            ([("http2-settings", "AAMAAABk")], 400, "request_ambiguous"),
        ):
            answer = await client.post("/v1/messages", content=b"", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (status, code)
            assert answer.headers["connection"] == "close"


async def test_nothing_there_is_a_page_for_browsers(api: httpx.AsyncClient) -> None:
    """A mistyped address in a browser is a page that runs nothing; programs, and the API in any case, get a problem."""
    browser = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    shown = await api.get("/no-such-<b>page", headers=browser)
    assert (shown.status_code, shown.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "<h1>Not found</h1>" in shown.text
    assert "no-such" not in shown.text
    assert shown.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self';")
    for path, headers in (("/nothing", {}), ("/v1/nothing", browser)):
        assert (await api.get(path, headers=headers)).headers["content-type"] == "application/problem+json"
