"""Keys, suppressions, webhooks, domains, audit, workspace: through HTTP onto the real store, two tenants at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.adapters.storage.sqlite.tx import SqliteTx
from mailward.app.platform.alerts import Alerts
from mailward.app.platform.audit import Audit
from mailward.app.platform.domains import Domains
from mailward.app.platform.keys import Keys
from mailward.app.platform.roles import Roles
from mailward.app.platform.suppressions import Suppressions
from mailward.app.platform.webhooks import Webhooks
from mailward.app.platform.workspace import Workspaces
from mailward.base.ids import WorkspaceId
from mailward.core.domains.keys import FreshKeys, fresh_keys
from mailward.core.domains.model import InstallationNames
from mailward.core.webhooks.endpoints import Reach
from mailward.core.webhooks.model import Result, Work
from mailward.core.workspaces import change
from mailward.core.workspaces.retention import Terms
from mailward.edges.web import app
from mailward.edges.web.endpoint import Services
from mailward.edges.web.limits import LocalLimiter
from mailward.edges.web.schema.audit import AuditExportQuery
from mailward.policy.access import Actor, Permission
from mailward.protocol.dns import DnsAnswer, Lookup
from tests.conftest import MovingClock, SeededEntropy
from tests.edges.web.fake_access import FakeAccess
from tests.edges.web.fake_inbound import FakeInbound
from tests.edges.web.fake_members import FakeMembers
from tests.edges.web.fake_platform import FakeLeaks, FakeMessages, FakeReadiness, FakeTransfers
from tests.edges.web.fake_templates import FakeTemplates
from tests.edges.web.fake_tracking import FakeTracking

NAMES = InstallationNames("spf.mail.test", "bounce.mail.test", ("mx.mail.test",), ("192.0.2.1",))


class Nothing:
    """A DNS in which nothing exists."""

    async def drive(self, lookup: Lookup[Any], *, fresh: bool = False) -> Any:
        try:
            next(lookup)
            while True:
                lookup.send(DnsAnswer("nxdomain", (), 300))
        except StopIteration as done:
            return done.value


class Two:
    """Two tenants by their keys."""

    def __init__(self, actors: dict[str, Actor]) -> None:
        self._actors = actors

    async def authenticate(self, token: str, ip: str) -> Actor:
        return self._actors[token]


class Areas:
    """The platform with the areas under test."""

    def __init__(self, store: SqliteStore, clock: MovingClock, entropy: SeededEntropy, made: FreshKeys) -> None:
        async def fresh(workspace: WorkspaceId) -> FreshKeys:
            return made

        async def export(actor: Actor, query: AuditExportQuery) -> bytes:
            return b"the log"

        self.messages = FakeMessages()
        self.inbound = FakeInbound()
        self.members = FakeMembers()
        self.access = FakeAccess()
        self.leaks = FakeLeaks()
        self.tracking = FakeTracking()
        self.transfers = FakeTransfers()
        self.templates = FakeTemplates()
        self.roles = Roles(store, clock, entropy, changed=lambda: None)
        self.suppressions = Suppressions(store, clock, entropy, lambda workspace: workspace.encode())
        self.domains = Domains(store, clock, entropy, Nothing(), NAMES, fresh)
        self.keys = Keys(store, clock, entropy)
        self.answer = 204

        async def post(work: Work) -> Result:
            return Result(work, self.answer, b"", 1)

        self.webhooks = Webhooks(
            store, clock, entropy, lambda workspace, raw: raw[::-1], wake=lambda: None, post=post,
            reach=Reach(loopback_http=True),
        )  # fmt: skip
        self.audit = Audit(store, clock, export)
        self.alerts = Alerts(store, clock)
        self.workspace = Workspaces(store, clock, Terms(60, 60))


@pytest.fixture(scope="module")
def made() -> FreshKeys:
    """One pair of keys for the module: RSA takes its time."""
    return fresh_keys(lambda raw: raw)


@pytest.fixture
def areas(store: SqliteStore, clock: MovingClock, entropy: SeededEntropy, made: FreshKeys) -> Areas:
    """The platform both tenants use."""
    return Areas(store, clock, entropy, made)


@pytest.fixture
async def clients(
    store: SqliteStore, clock: MovingClock, entropy: SeededEntropy, areas: Areas
) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """A client of each of two tenants."""
    actors = {}
    for name in ("alpha", "beta"):
        id = change.new_id(clock.now(), entropy)
        actor = Actor(id, "key", "key_" + "0" * 26, frozenset(Permission))

        async def found(tx: SqliteTx, actor: Actor = actor, name: str = name) -> None:
            await change.create(tx, actor, name, now=clock.now(), entropy=entropy, id=actor.workspace)

        await store.system_write(found)
        actors[name] = actor
    services = Services(
        platform=areas,
        authenticator=Two(actors),
        limiter=LocalLimiter(clock.monotonic),
        clock=clock,
        entropy=entropy,
    )
    transport = httpx.ASGITransport(app.build(services, FakeReadiness()), client=("127.0.0.1", 1))

    def client(name: str) -> httpx.AsyncClient:
        headers = {"authorization": f"Bearer {name}"}
        return httpx.AsyncClient(transport=transport, base_url="http://x", headers=headers)

    async with client("alpha") as a, client("beta") as b:
        yield a, b


@pytest.mark.asvs("8.2.2", "15.3.1")
async def test_keys(clients: tuple[httpx.AsyncClient, httpx.AsyncClient], clock: MovingClock) -> None:
    """A key's secret is shown once; lists turn pages; another tenant neither sees nor revokes it."""
    a, b = clients
    made = await a.post("/v1/keys", json={"name": "First", "scopes": ["send"], "networks": ["192.0.2.0/24"]})
    assert made.status_code == 201, made.text
    key = made.json()
    assert key["secret"].startswith("mwk_")
    assert key["networks"] == ["192.0.2.0/24"]
    clock.move(seconds=1)
    await a.post("/v1/keys", json={"name": "Second", "scopes": ["read"], "domains": ["example.com"]})
    page = (await a.get("/v1/keys?limit=1")).json()
    assert [k["name"] for k in page["data"]] == ["Second"]
    assert "secret" not in page["data"][0]
    page = (await a.get("/v1/keys", params={"limit": 1, "cursor": page["next_cursor"]})).json()
    assert ([k["name"] for k in page["data"]], page["next_cursor"]) == (["First"], None)
    assert (await b.get("/v1/keys")).json()["data"] == []
    assert (await b.delete(f"/v1/keys/{key['id']}")).status_code == 404
    assert (await a.delete(f"/v1/smtp-credentials/{key['id']}")).status_code == 404
    assert (await a.delete(f"/v1/keys/{key['id']}")).status_code == 204
    listed = (await a.get("/v1/keys")).json()["data"]
    assert [k["revoked_at"] is not None for k in listed] == [False, True]
    wrong = await a.get("/v1/keys?cursor=key_x")
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_cursor")


@pytest.mark.parametrize("path", ["/v1/keys", "/v1/smtp-credentials"])
async def test_a_credential_is_bound_to_domains_as_they_are_compared(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient], path: str
) -> None:
    """In Unicode, with a final dot or in capitals it is the same domain; what is none is refused with its place."""
    asked = {"name": "x"} | ({"scopes": ["send"]} if path == "/v1/keys" else {})
    given = ["Bücher.example", "MAIL.example.com.", "demo.mailward.test"]
    made = await clients[0].post(path, json=asked | {"domains": given})
    assert made.status_code == 201, made.text
    assert made.json()["domains"] == ["demo.mailward.test", "mail.example.com", "xn--bcher-kva.example"]
    for wrong in ("not a domain", "*.example.com", "192.0.2.1", "com"):
        answer = await clients[0].post(path, json=asked | {"domains": ["a.example", wrong]})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_domain"), wrong
        assert answer.json()["field"] == "domains/1"


async def test_smtp_credentials(clients: tuple[httpx.AsyncClient, httpx.AsyncClient]) -> None:
    """One with a password shows it once; one for networks has none."""
    a, _ = clients
    made = (await a.post("/v1/smtp-credentials", json={"name": "Printer"})).json()
    assert made["password"].startswith("mws_")
    assert made["username"] == made["id"]
    network = await a.post(
        "/v1/smtp-credentials", json={"name": "Relay", "kind": "network", "networks": ["10.0.0.0/8"]}
    )
    assert (network.status_code, network.json()["password"]) == (201, None)
    assert (await a.delete(f"/v1/smtp-credentials/{made['id']}")).status_code == 204


@pytest.mark.claim("KEYS-2")
async def test_rotation(clients: tuple[httpx.AsyncClient, httpx.AsyncClient]) -> None:
    """A successor is shown once and named by the old one, which now has an end; another tenant can do neither."""
    a, b = clients
    for area, secret, body in (
        ("keys", "secret", {"name": "Ci", "scopes": ["send"], "networks": ["192.0.2.0/24"]}),
        ("smtp-credentials", "password", {"name": "Printer"}),
    ):
        old = (await a.post(f"/v1/{area}", json=body)).json()
        one = f"/v1/{area}/{old['id']}"
        assert (await b.post(f"{one}/rotate", json={})).status_code == 404
        assert (await a.post(f"{one}/rotate", json={"grace_hours": 721})).status_code == 422
        new = await a.post(f"{one}/rotate", json={"grace_hours": 2})
        assert new.status_code == 201, new.text
        assert new.json()[secret] not in (None, "", old[secret])
        assert new.json()["networks"] == old["networks"]
        listed = {k["id"]: k for k in (await a.get(f"/v1/{area}")).json()["data"]}
        assert listed[old["id"]]["successor"] == new.json()["id"]
        assert listed[old["id"]]["expires_at"] is not None
        again = await a.post(f"{one}/rotate", json={})
        assert (again.status_code, again.json()["code"]) == (409, "rotated_already")


@pytest.mark.claim("RATE-2")
async def test_release(clients: tuple[httpx.AsyncClient, httpx.AsyncClient], store: SqliteStore) -> None:
    """What is paused is shown with its reason and released by its owner alone."""
    a, b = clients
    made = (await a.post("/v1/smtp-credentials", json={"name": "Printer"})).json()
    one = f"/v1/smtp-credentials/{made['id']}"
    idle = await a.post(f"{one}/release")
    assert (idle.status_code, idle.json()["code"]) == (409, "not_paused")
    when = datetime(2026, 3, 4, tzinfo=UTC)
    await store.system_write(lambda tx: tx.credentials.pause(made["id"], "Too much.", when))
    (shown,) = (await a.get("/v1/smtp-credentials")).json()["data"]
    assert (shown["paused_at"][:10], shown["pause_reason"]) == ("2026-03-04", "Too much.")
    assert (await b.post(f"{one}/release")).status_code == 404
    assert (await a.post(f"{one}/release")).status_code == 204
    assert (await a.get("/v1/smtp-credentials")).json()["data"][0]["paused_at"] is None


async def test_suppressions(clients: tuple[httpx.AsyncClient, httpx.AsyncClient], clock: MovingClock) -> None:
    """Added, found, imported, exported with formulas made text, removed; another tenant's list stays its own."""
    a, b = clients
    assert (await a.post("/v1/suppressions", json={"address": "Bob@Example.net"})).status_code == 201
    clock.move(seconds=1)
    assert (await a.post("/v1/suppressions/check", json={"address": "bob@example.net"})).json()["reason"] == "manual"
    assert (await b.post("/v1/suppressions/check", json={"address": "bob@example.net"})).status_code == 404
    table = "address,reason,stream\r\n=cmd|'/c'!a0@example.net,complaint,\r\nnobody,,\r\n"
    done = await a.post("/v1/suppressions/import", content=table, headers={"content-type": "text/csv"})
    assert (done.json()["added"], done.json()["refused"]) == (1, 1)
    text = (await a.get("/v1/suppressions/export")).text
    assert "\n'=cmd|" in text
    assert "example.net" not in (await b.get("/v1/suppressions/export")).text
    page = (await a.get("/v1/suppressions?limit=1")).json()
    page = (await a.get("/v1/suppressions", params={"limit": 1, "cursor": page["next_cursor"]})).json()
    assert (len(page["data"]), page["next_cursor"]) == (1, None)
    assert (await a.delete("/v1/suppressions", params={"address": "bob@example.net"})).status_code == 204
    assert (await a.delete("/v1/suppressions", params={"address": "bob@example.net"})).status_code == 404
    for bad in ("\0", 'address\r\n"open', "reason\r\nx"):
        answer = await a.post("/v1/suppressions/import", content=bad, headers={"content-type": "text/csv"})
        assert answer.status_code in (200, 422), answer.text


async def test_webhooks(clients: tuple[httpx.AsyncClient, httpx.AsyncClient]) -> None:
    """Made with a secret shown once, changed, tested, rotated, removed; unknown to another tenant."""
    a, b = clients
    made = await a.post("/v1/webhooks", json={"url": "https://example.com/h?k=1", "events": ["message.bounced"]})
    assert made.status_code == 201, made.text
    hook = made.json()
    assert hook["secret"].startswith("whsec_")
    one = f"/v1/webhooks/{hook['id']}"
    changed = await a.patch(one, json={"description": "Mine"})
    assert (changed.json()["description"], changed.json()["events"]) == ("Mine", ["message.bounced"])
    assert (await a.post(f"{one}/test")).status_code == 202
    assert (await a.get(f"{one}/attempts")).json()["data"] == []
    assert (await a.post(f"{one}/rotate-secret")).json()["secret"] != hook["secret"]
    for method, path in (("GET", one), ("PATCH", one), ("DELETE", one), ("POST", f"{one}/test"),
                         ("GET", f"{one}/attempts"), ("POST", f"{one}/rotate-secret"), ("GET", f"{one}/events"),
                         ("GET", f"{one}/replays"), ("POST", f"{one}/replays")):  # fmt: skip
        answer = await b.request(
            method, path, json={} if method == "PATCH" or (path.endswith("replays") and method == "POST") else None
        )
        assert answer.status_code == 404, (method, path)
    assert [h["id"] for h in (await a.get("/v1/webhooks")).json()["data"]] == [hook["id"]]
    assert (await a.delete(one)).status_code == 204
    assert (await a.get(one)).status_code == 404


async def test_replays_and_enabling(
    clients: tuple[httpx.AsyncClient, httpx.AsyncClient], areas: Areas, clock: MovingClock
) -> None:
    """A test event is listed, shown and replayed with progress; an endpoint is enabled only when it answers."""
    a, b = clients
    hook = (await a.post("/v1/webhooks", json={"url": "https://example.com/h"})).json()
    one = f"/v1/webhooks/{hook['id']}"
    event = (await a.post(f"{one}/test")).json()["event"]
    (listed,) = (await a.get(f"{one}/events?state=pending")).json()["data"]
    assert (listed["id"], listed["type"], listed["attempts"]) == (event, "webhook.test", 0)
    shown = (await a.get(f"{one}/events/{event}")).json()
    assert (shown["payload"]["id"], shown["payload"]["type"]) == (event, "webhook.test")
    clock.move(seconds=1)
    started = await a.post(f"{one}/replays", json={"event": event})
    assert (started.status_code, started.json()["total"], started.json()["pending"]) == (202, 1, 1)
    replay = f"{one}/replays/{started.json()['id']}"
    assert (await a.get(replay)).json()["finished"] is False
    assert (await b.get(replay)).status_code == 404
    assert (await b.get(f"{one}/events/{event}")).status_code == 404
    assert [r["id"] for r in (await a.get(f"{one}/replays")).json()["data"]] == [started.json()["id"]]
    both = await a.post(f"{one}/replays", json={"event": event, "since": "2026-01-01T00:00:00Z"})
    assert (both.status_code, both.json()["code"]) == (422, "invalid_field")
    assert (await a.post(f"{one}/replays", json={})).json()["total"] == 0

    off = (await a.patch(one, json={"enabled": False})).json()
    assert (off["enabled"], off["disabled_reason"], off["owner_told"]) == (False, "by hand", None)
    assert (await a.post(f"{one}/replays", json={})).status_code == 409
    areas.answer = 500
    refused = await a.patch(one, json={"enabled": True})
    assert (refused.status_code, refused.json()["code"]) == (409, "webhook_not_answering")
    assert (await a.get(one)).json()["enabled"] is False
    areas.answer = 204
    clock.move(seconds=1)
    assert (await a.patch(one, json={"enabled": True})).json()["enabled"] is True
    assert [x["status"] for x in (await a.get(f"{one}/attempts")).json()["data"]] == [204, 500]
    acts = [e["act"] for e in (await a.get("/v1/audit")).json()["data"]]
    assert {"webhook.replayed", "webhook.enabled", "webhook.changed"} <= set(acts)


async def test_domains(clients: tuple[httpx.AsyncClient, httpx.AsyncClient], clock: MovingClock) -> None:
    """Added with records to publish, checked against DNS, rotated only when one signs, removed; unknown to another."""
    a, b = clients
    made = await a.post("/v1/domains", json={"name": "Example.com"})
    assert made.status_code == 201, made.text
    domain = made.json()
    assert (domain["name"], domain["status"]) == ("example.com", "pending")
    assert {"ownership", "dkim-rsa", "dkim-ed25519", "spf", "dmarc"} <= {r["purpose"] for r in domain["records"]}
    assert {r["state"] for r in domain["records"]} == {"unchecked"}
    assert (await a.post("/v1/domains", json={"name": "example.com"})).status_code == 409
    one = f"/v1/domains/{domain['id']}"
    checked = (await a.post(f"{one}/check")).json()
    assert checked["status"] == "pending"
    assert {r["state"] for r in checked["records"] if r["purpose"] == "ownership"} == {"missing"}
    again = await a.post(f"{one}/check")
    assert (again.status_code, again.json()["code"]) == (429, "checked_just_now")
    for method, path in (("GET", one), ("DELETE", one), ("POST", f"{one}/check"), ("POST", f"{one}/rotate")):
        assert (await b.request(method, path)).status_code == 404
    assert (await a.post(f"{one}/rotate")).status_code == 409
    assert [d["id"] for d in (await a.get("/v1/domains")).json()["data"]] == [domain["id"]]
    assert (await a.delete(one)).status_code == 204
    assert (await a.get(one)).status_code == 404


async def test_audit_and_workspace(clients: tuple[httpx.AsyncClient, httpx.AsyncClient]) -> None:
    """Acts are listed newest first, one's own only; without a head there is no checkpoint yet."""
    a, b = clients
    await a.post("/v1/keys", json={"name": "First", "scopes": ["send"]})
    await a.post("/v1/keys", json={"name": "Second", "scopes": ["send"]})
    page = (await a.get("/v1/audit?limit=1&act=credential.created")).json()
    assert page["data"][0]["facts"]["name"] == "Second"
    page = (await a.get("/v1/audit", params={"limit": 1, "cursor": page["next_cursor"]})).json()
    assert page["data"][0]["facts"]["name"] == "First"
    assert all(entry["act"] != "credential.created" for entry in (await b.get("/v1/audit")).json()["data"])
    assert (await a.get("/v1/audit/checkpoint")).status_code == 404
    assert (await a.get("/v1/audit?cursor=x")).status_code == 422
    assert (await a.get("/v1/workspace")).json()["name"] == "alpha"
    assert (await a.get("/v1/usage")).json() == {"data": []}
    assert (await a.get("/v1/events")).json() == {"data": [], "next_cursor": None}


async def test_retention(clients: tuple[httpx.AsyncClient, httpx.AsyncClient]) -> None:
    """Terms start as the installation's, change one by one, go back by null; another tenant's stay as they are."""
    a, b = clients
    path = "/v1/workspace/retention"
    assert (await a.get(path)).json() == {
        "messages_days": 60, "content_days": 60, "own_messages_days": None, "own_content_days": None,
        "default_messages_days": 60, "default_content_days": 60,
    }  # fmt: skip
    changed = (await a.patch(path, json={"content_days": 7})).json()
    assert (changed["messages_days"], changed["content_days"]) == (60, 7)
    changed = (await a.patch(path, json={"messages_days": 30})).json()
    assert (changed["messages_days"], changed["content_days"], changed["own_content_days"]) == (30, 7, 7)
    refused = await a.patch(path, json={"content_days": 31})
    assert (refused.status_code, refused.json()["code"]) == (422, "content_outlives_message")
    for wrong in ({"messages_days": 0}, {"messages_days": 3651}, {"days": 3}):
        assert (await a.patch(path, json=wrong)).status_code == 422, wrong
    back = (await a.patch(path, json={"content_days": None})).json()
    assert (back["content_days"], back["own_content_days"]) == (30, None)
    assert (await b.get(path)).json()["own_messages_days"] is None
    acts = (await a.get("/v1/audit?act=workspace.settings_changed")).json()["data"]
    assert len(acts) == 3


@pytest.mark.claim("PRIVACY-2")
async def test_redaction(clients: tuple[httpx.AsyncClient, httpx.AsyncClient]) -> None:
    """All is kept at first; fields change one by one, hours go with `redact` alone, and each change is audited."""
    a, b = clients
    path, keep = "/v1/workspace/redaction", {"mode": "keep", "after_hours": 0}
    assert (await a.get(path)).json() == dict.fromkeys(("subject", "addresses", "ip", "body"), keep)
    later = {"mode": "redact", "after_hours": 24}
    assert (await a.patch(path, json={"subject": later})).json()["subject"] == later
    changed = (await a.patch(path, json={"body": {"mode": "never"}})).json()
    assert (changed["subject"], changed["body"]["mode"], changed["ip"]) == (later, "never", keep)
    refused = await a.patch(path, json={"ip": {"mode": "never", "after_hours": 1}})
    assert (refused.status_code, refused.json()["code"]) == (422, "hours_without_redact")
    for wrong in ({"ip": {"mode": "hide"}}, {"ip": {"mode": "redact", "after_hours": 9000}}, {"name": keep}):
        assert (await a.patch(path, json=wrong)).status_code == 422, wrong
    assert (await b.get(path)).json()["body"] == keep
    acts = (await a.get("/v1/audit?act=workspace.redaction_changed")).json()["data"]
    assert [act["facts"]["body"] for act in acts] == ["never", "keep"]
    assert acts[0]["facts"]["subject"] == "redact after 24 hours"
