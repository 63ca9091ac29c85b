"""What every answer over HTTP carries, and what is written down when one is a refusal."""

from __future__ import annotations

import io
import ipaddress
import json
from collections.abc import Iterator
from contextlib import redirect_stdout
from datetime import datetime

import httpx
import pytest
import structlog
from structlog.testing import capture_logs

from mailward.app import logs
from mailward.edges.web.auth import Origin
from tests.edges.web.conftest import Site, make_site
from tests.edges.web.fake_platform import READ

PATHS = ("/v1/workspace", "/v1/nothing", "/healthz", "/openapi.json", "/problems", "/nowhere")


@pytest.mark.asvs("3.4.1")
async def test_over_tls_every_answer_asks_to_stay_with_it(site: Site) -> None:
    """Two years, sub-domains included, on answers and refusals; also when a listed proxy speaks TLS for us."""

    async def heard(of: Site, path: str, scheme: str, peer: str, **headers: str) -> str:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with of.client(scheme=scheme, peer=peer) as client:
            return str((await client.get(path, headers=named)).headers.get("strict-transport-security", ""))

    wanted = "max-age=63072000; includeSubDomains"
    assert {await heard(site, path, "https", "192.0.2.7") for path in PATHS} == {wanted}
    behind = make_site(origin=Origin([ipaddress.ip_network("192.0.2.0/24")]))
    said = {"x_forwarded_for": "198.51.100.1", "x_forwarded_proto": "https"}
    assert {await heard(behind, path, "http", "192.0.2.7", **said) for path in PATHS} == {wanted}
    assert await heard(behind, "/healthz", "http", "203.0.113.7", **said) == "", "a stranger's word does not count"
    assert await heard(site, "/healthz", "http", "127.0.0.1") == ""


@pytest.mark.asvs("3.4.2", "3.4.3", "3.4.4", "3.4.5", "3.4.6")
@pytest.mark.parametrize("path", PATHS)
async def test_no_answer_is_for_another_origin(api: httpx.AsyncClient, path: str) -> None:
    """Whoever asks: no CORS, a policy that loads nothing and sets no base, no frame, no sniffing, no referrer."""
    for origin in ("https://evil.example", "null", "http://mailward.test"):
        headers = (await api.get(path, headers={"origin": origin})).headers
        assert not [name for name in headers if name.startswith("access-control")]
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; base-uri 'none'") and "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.asvs("4.1.1")
@pytest.mark.parametrize("path", PATHS)
async def test_data_says_that_it_is_json(api: httpx.AsyncClient, path: str) -> None:
    """JSON, which is UTF-8 without a parameter (RFC 8259), under a type of JSON; and it is."""
    answer = await api.get(path)
    assert answer.headers["content-type"] in ("application/json", "application/problem+json")
    assert isinstance(json.loads(answer.content.decode("utf-8")), dict)


@pytest.mark.asvs("13.4.4")
async def test_trace_is_not_answered(api: httpx.AsyncClient) -> None:
    """Neither TRACE nor its kin; and nothing of the request comes back."""
    for method in ("TRACE", "TRACK", "CONNECT"):
        answer = await api.request(method, "/v1/workspace", headers={"x-probe": "come-back"})
        assert answer.status_code == 405
        assert "come-back" not in answer.text


@pytest.mark.asvs("16.3.2", "16.2.1")
async def test_a_refusal_is_written_down_with_who_and_what(site: Site) -> None:
    """A missing permission: the line has the operation, the status, the key, its workspace and the answer's id."""
    async with site.client(READ) as client:
        with capture_logs() as lines:
            answer = await client.post("/v1/messages", content=b"{}", headers={"content-type": "application/json"})
    assert answer.status_code == 403
    (line,) = lines
    assert (line["operation"], line["status"]) == ("sendMessage", 403)
    assert line["request"] == answer.headers["x-request-id"]
    assert line["actor"] and line["workspace"]


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What goes to standard output under the settings of a worker."""
    kept, out = structlog.get_config(), io.StringIO()
    try:
        with redirect_stdout(out):
            logs.configure("info", slot=3)
            yield out
    finally:
        structlog.configure(**kept)
        structlog.contextvars.clear_contextvars()


@pytest.mark.asvs("16.3.4")
def test_an_unforeseen_error_is_written_down(written: io.StringIO) -> None:
    """By its class and where it happened, never by its text, which may hold anything."""
    try:
        raise KeyError("a secret of ours")
    except KeyError:
        structlog.get_logger().exception("http_failed", request="req_1")
    line = json.loads(written.getvalue())
    assert (line["event"], line["level"], line["request"], line["error"]) == (
        "http_failed",
        "error",
        "req_1",
        "KeyError",
    )
    assert line["where"][-1].startswith("test_protections.py:")
    assert "a secret" not in written.getvalue()


@pytest.mark.asvs("16.3.4")
async def test_a_request_that_fails_is_written_down(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its exception, under the id that the caller was told."""

    async def broken(*args: object) -> None:
        raise KeyError

    monkeypatch.setattr(site.platform.workspace, "get", broken)
    async with site.client() as client:
        with capture_logs() as lines:
            answer = await client.get("/v1/workspace")
    (line,) = [line for line in lines if line["event"] == "http_failed"]
    assert (line["request"], line["exc_info"]) == (answer.headers["x-request-id"], True)


@pytest.mark.asvs("16.2.4", "16.4.1")
def test_a_line_of_the_log_is_one_json_object_whatever_is_in_it(written: io.StringIO) -> None:
    """Line breaks, quotes and terminal codes in a value stay in the value; the time is UTC and says so."""
    hostile = 'x\r\n{"event":"forged"}\x1b[2J\u2028"'
    structlog.get_logger().info("http_request", value=hostile)
    text = written.getvalue()
    assert text.endswith("\n") and len(text.splitlines()) == 1
    assert text[:-1].isprintable()
    line = json.loads(text)
    assert (line["event"], line["value"], line["level"]) == ("http_request", hostile, "info")
    offset = datetime.fromisoformat(line["timestamp"]).utcoffset()
    assert offset is not None and not offset
