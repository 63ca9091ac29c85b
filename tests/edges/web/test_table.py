"""The table of operations, the schema made from it, and the public part."""

from __future__ import annotations

from typing import Any, cast

import httpx
import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from mailward.edges.web import api, app, openapi
from mailward.edges.web.app import Front
from mailward.edges.web.catalogue import CATALOGUE
from mailward.edges.web.limits import RateClass
from mailward.edges.web.public.metrics import RequestMetrics, exposition_of, metrics_app
from mailward.edges.web.routes import Call, Operation, by_path
from mailward.edges.web.schema.common import Done, NoQuery, Request
from mailward.policy.access import PUBLIC, Permission, Public
from tests.edges.web.conftest import SEND, Site, make_site, post
from tests.edges.web.fake_platform import FakeReadiness


async def _handler(call: Call[NoQuery, None]) -> Done:
    return Done()


def _operation(**changes: Any) -> Operation:
    facts: dict[str, Any] = {
        "method": "GET", "path": "/v1/x", "handler": _handler, "permission": Permission.MESSAGE_READ,
        "rate": RateClass.READ, "name": "x", "tag": "x", "summary": "X",
    }  # fmt: skip
    return Operation(**(facts | changes))


def test_a_route_without_a_policy_cannot_be_built() -> None:
    """No permission, a word in its place, PUBLIC under /v1 or with a body: each fails before anything is served."""
    assert _operation()
    with pytest.raises(TypeError):
        cast(Any, Operation)(
            method="GET", path="/x", handler=_handler, rate=RateClass.READ, name="x", tag="", summary=""
        )
    untyped: list[dict[str, Any]] = [{"permission": None}, {"permission": "message.read"}, {"rate": None}]
    for wrong in untyped:
        with pytest.raises(TypeError):
            _operation(**wrong)
    unfit: list[dict[str, Any]] = [
        {"permission": PUBLIC},
        {"permission": PUBLIC, "path": "/x", "method": "POST", "request": Request},
        {"permission": PUBLIC, "path": "/x", "method": "POST", "request": Request, "rate": RateClass.REPORT},
        {"method": "GET", "request": Request},
        {"method": "TRACE"},
    ]
    for wrong in unfit:
        with pytest.raises(ValueError):
            _operation(**wrong)
    assert _operation(permission=PUBLIC, path="/x")


def test_two_operations_do_not_share_a_place() -> None:
    """The same method and path twice, or the same name, fails at start."""
    with pytest.raises(ValueError):
        by_path([_operation(), _operation(name="y")])
    with pytest.raises(ValueError):
        by_path([_operation(), _operation(path="/v1/y")])


@pytest.mark.asvs("6.3.4", "13.4.5")
def test_every_operation_of_the_api_needs_a_permission() -> None:
    """Nothing under /v1 is public; what is public is this short list."""
    assert all(isinstance(op.permission, Permission) for op in api.operations())
    public = {op.path for op in app.table(FakeReadiness()) if isinstance(op.permission, Public)}
    assert public == {"/healthz", "/readyz", "/openapi.json", "/problems", "/problems/{code}", "/leaked-keys"}


@pytest.mark.asvs("3.5.3")
def test_reading_never_changes_and_changing_is_never_get() -> None:
    """GET asks for a reading permission, everything else for a changing or sending one (or a check by POST)."""
    reading = {p for p in Permission if p.value.endswith(".read")} | {Permission.MESSAGE_CONTENT}
    for op in api.operations():
        assert (op.permission in reading) == (op.method == "GET") or op.name in (
            "checkSuppression",
            "checkTrackingOptOut",
            "renderTemplate",
        ), op.name


@pytest.mark.asvs("2.1.1")
def test_the_document_names_every_operation() -> None:
    """Each operation is in the schema with its security, its refusals and an answer; every error code is explained."""
    operations = app.table(FakeReadiness())
    told = openapi.document(operations)
    assert told["openapi"] == "3.1.0"
    for op in operations:
        entry = told["paths"][op.path][op.method.lower()]
        assert entry["operationId"] == op.name
        assert bool(entry["security"]) == isinstance(op.permission, Permission)
        assert str(op.status) in entry["responses"]
        assert "429" in entry["responses"]
        assert set(op.errors) <= set(CATALOGUE)
    assert not told["components"]["schemas"]["SendRequest"]["additionalProperties"]


@pytest.mark.asvs("13.4.5")
async def test_public_part(site: Site) -> None:
    """Health, readiness, schema and the meaning of codes are there without a key."""
    async with site.client(None, peer="192.0.2.1") as client:
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        assert (await client.get("/readyz")).json() == {"ready": True, "parts": {"storage": True, "keys": True}}
        site.readiness.parts["storage"] = False
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/openapi.json")).json()["info"]["title"] == "Mailward"
        assert (await client.get("/problems/rate_limited")).json()["status"] == 429
        assert (await client.get("/problems/none")).status_code == 404
        assert len((await client.get("/problems")).json()["data"]) == len(CATALOGUE)
        head = await client.head("/healthz")
        assert (head.status_code, head.content) == (200, b"")


@pytest.mark.asvs("16.2.5")
async def test_logs_carry_no_content(site: Site) -> None:
    """One line a request, with ids and numbers; no address, subject, text or key in it."""
    async with site.client() as client:
        with capture_logs() as lines:
            await post(client, "/v1/messages", SEND | {"subject": "hush-hush", "text": "hush-hush"})
            await client.get("/v1/messages", params={"to": "bob@example.net"})
    assert [line["event"] for line in lines] == ["http_request"] * 2
    text = str(lines)
    for word in ("hush-hush", "example.net", "example.com", "mw_live"):
        assert word not in text
    assert lines[0]["operation"] == "sendMessage"
    assert lines[0]["status"] == 202


@pytest.mark.asvs("13.4.5")
async def test_metrics() -> None:
    """Requests are counted by operation and class of status; the labels hold nothing a caller sent."""
    registry = CollectorRegistry()
    site = make_site()
    front = Front(app.table(site.readiness), site.services, (), RequestMetrics(registry))
    transport = httpx.ASGITransport(front, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        await client.get("/healthz")
        await client.get("/evil-label")
    transport = httpx.ASGITransport(metrics_app(exposition_of(registry), site.readiness))
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        text = (await client.get("/metrics")).text
        assert (await client.get("/other")).status_code == 404
        assert (await client.post("/metrics")).status_code == 404
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        ready = await client.get("/readyz")
        assert ready.status_code == (200 if all(ready.json()["parts"].values()) else 503)
        assert ready.json()["ready"] is (ready.status_code == 200)
    assert 'mailward_http_requests_total{operation="getHealth",status="2xx"} 1.0' in text
    assert "evil-label" not in text
