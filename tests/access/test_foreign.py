"""Every id of one workspace, asked for by another over every operation: 404, as for what never was, and no trace."""

from __future__ import annotations

import random
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from starlette.types import ASGIApp, Message

from mailward.adapters.storage.sqlite.engine import SqliteStore
from mailward.app.bodies import Bodies
from mailward.app.platform.alerts import Alerts
from mailward.app.platform.domains import Domains
from mailward.app.platform.inbound import Inbound
from mailward.app.platform.keys import Keys
from mailward.app.platform.members import Members
from mailward.app.platform.messages import Messages
from mailward.app.platform.roles import Roles
from mailward.app.platform.templates import Templates
from mailward.app.platform.webhooks import Webhooks
from mailward.base import ids
from mailward.base.ids import UserId, WorkspaceId
from mailward.core.audit.read import list_entries
from mailward.core.domains.keys import FreshKeys, fresh_keys
from mailward.core.guard.model import Alert
from mailward.core.identity import people
from mailward.core.identity.entry import Invitation
from mailward.core.identity.model import User
from mailward.core.webhooks.endpoints import Reach
from mailward.edges.web import app
from mailward.edges.web.endpoint import Services
from mailward.edges.web.limits import LocalLimiter, RateClass, WebLimits
from mailward.edges.web.routes import Operation
from mailward.policy.access import Actor, Permission, Role
from tests.access.matrix import Nowhere, operations
from tests.app.platform.test_areas import NAMES, Nothing, Two
from tests.app.retention_rig import SEARCH_KEY, Rig
from tests.conftest import STORES, MovingClock, SeededEntropy
from tests.core.inbound.inbound_rig import ACTOR, OTHER, OTHER_RAW, RAW, World
from tests.edges.web.fake_platform import FakeReadiness
from tests.raw import dump

ALL = frozenset(Permission)

ELSEWHERE = {
    "transfer": "tests/suites/domains/test_transfer.py",
    "grant": "tests/app/platform/test_operators.py",
    "review": "tests/app/platform/test_operators.py",
    "code": "not of a workspace: what the errors mean",
}
"""Parameters whose things are made by acts of several parties, and where their strangers are tested."""

_SAME = {
    "RotateIn": {},
    "RollBack": {"version": 1},
    "Reschedule": {"scheduled_at": "2026-03-10T00:00:00Z"},
    "WriteRole": {"name": "Other", "permissions": ["message.read"]},
    "GiveRole": {"member": "usr_" + "0" * 26},
    "ChangeMember": {"role": "member"},
}
"""Bodies for requests that take nothing empty. Everything else may be left out."""
_NEVER = {"template": "never-was", "version": "1"}
"""What never was, of things that are called by a name or a number."""


class Willing:
    """Letters that could be sent, and are not expected to be."""

    async def able(self) -> bool:
        return True


class Everything(Nowhere):
    """The platform with every area that keeps things by id, on one store."""

    def __init__(self, rig: Rig, clock: MovingClock, entropy: SeededEntropy, made: FreshKeys) -> None:
        store = rig.store
        bodies = Bodies(store, rig.keys)

        async def fresh(workspace: WorkspaceId) -> FreshKeys:
            return made

        def seal(workspace: str, plain: bytes) -> bytes:
            return plain[::-1]

        nothing: Any = None
        willing: Any = Willing()
        self.domains = Domains(store, clock, entropy, Nothing(), NAMES, fresh)
        self.keys = Keys(store, clock, entropy)
        reach = Reach(loopback_http=True)
        self.webhooks = Webhooks(store, clock, entropy, seal, wake=lambda: None, post=nothing, reach=reach)
        self.inbound = Inbound(store, bodies, clock, entropy, seal, wake=lambda: None, files=None, reach=reach)
        self.messages = Messages(
            store, None, bodies, now_us=rig.now_us, search_key=lambda workspace: SEARCH_KEY, wake=lambda: None
        )
        self.templates = Templates(store, clock, entropy, nothing, changed=lambda: None)
        self.alerts = Alerts(store, clock)
        self.roles = Roles(store, clock, entropy, changed=lambda: None)
        self.members = Members(store, clock, entropy, willing, public_url="http://x", changed=lambda: None)


@pytest.fixture(scope="module")
def made() -> FreshKeys:
    """One pair of keys for the module: RSA takes its time."""
    return fresh_keys(lambda raw: raw)


class Held:
    """What the first workspace holds: an id for each parameter of a path, by the folder it stands in."""

    def __init__(self, of: dict[str, str]) -> None:
        self._of = of

    def fill(self, operation: Operation, *, foreign: bool) -> str | None:
        """The path with ids of the other workspace, or with ids that never were; None for a kind of ELSEWHERE."""
        path = operation.path
        for name in re.findall(r"\{(\w+)\}", path):
            if name in ELSEWHERE:
                return None
            known = self._of["received" if name == "message" and "/received/" in path else name]
            prefix, _, body = known.partition("_")
            # Of the same moment, as random a rest: noughts are read sooner, by a hundredth of an answer.
            never = _NEVER[name] if name in _NEVER else f"{prefix}_{body[:10]}{body[-2:9:-1]}{body[-1]}"
            path = path.replace(f"{{{name}}}", known if foreign else never)
        return path


async def _hold(client: httpx.AsyncClient, rig: Rig, clock: MovingClock, entropy: SeededEntropy) -> Held:
    async def post(path: str, **body: Any) -> str:
        answer = await client.post(path, json=body)
        assert answer.status_code in (200, 201), answer.text
        return str(answer.json()["id"])

    world, now = World(rig.store, clock, entropy), clock.now()
    route = await world.route()
    received = await world.take(route)
    message = await rig.accept(b"Subject: hello\r\n\r\nhello\r\n", RAW)
    user = User(UserId(ids.new("usr", now, entropy)), "bob@a.test", "Bob", "x", now)
    invited = Invitation(ids.new("inv", now, entropy), ACTOR.workspace, "c@a.test", Role.MEMBER, "usr_x", now, now, now)

    alert = Alert(ids.new("alr", now, entropy), ACTOR.workspace, now, "key-abuse", "high", "key_x", "It was refused.")

    async def join(tx: Any) -> None:
        await tx.people.add_user(user)
        await people.add_member(tx, ACTOR, user, Role.MEMBER, now=now)
        await tx.entry.add_invitation(invited, b"h" * 32)

        await tx.guard.add_alert(alert, b"s" * 16)

    await rig.store.system_write(join)
    answer = await client.post("/v1/templates", json={"name": "welcome", "text": "x"})
    assert answer.status_code == 201, answer.text
    return Held(
        {
            "message": ids.encode("msg", message),
            "received": ids.encode("rcv", received),
            "route": ids.encode("rte", route.id),
            "domain": await post("/v1/domains", name="example.com"),
            "key": await post("/v1/keys", name="k", scopes=["send"]),
            "credential": await post("/v1/smtp-credentials", name="c"),
            "webhook": await post("/v1/webhooks", url="http://127.0.0.1:9/x"),
            "template": "welcome",
            "version": "1",
            "event": ids.new("evt", now, entropy),
            "replay": ids.new("rpl", now, entropy),
            "member": user.id,
            "role": await post("/v1/roles", name="Support", permissions=["message.read"]),
            "invitation": invited.id,
            "alert": alert.id,
        }
    )


async def _world(
    store: Any, clock: MovingClock, entropy: SeededEntropy, folder: Path, made: FreshKeys
) -> tuple[Rig, ASGIApp]:
    """Two workspaces behind the API; "ours" and "theirs" are their keys."""
    rig = Rig(store, clock, entropy, folder / "data")
    for workspace in (RAW, OTHER_RAW):
        await rig.workspace(workspace)
    all_of = frozenset(Permission)
    doors = Two({name: Actor(a.workspace, "key", a.id, all_of) for name, a in (("ours", ACTOR), ("theirs", OTHER))})
    services = Services(
        platform=cast("Any", Everything(rig, clock, entropy, made)),
        authenticator=doors,
        limiter=LocalLimiter(clock.monotonic),
        clock=clock,
        entropy=entropy,
        limits=WebLimits(rates=dict.fromkeys(RateClass)),
    )
    return rig, app.build(services, FakeReadiness())


def _client(front: ASGIApp, name: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(front, client=("127.0.0.1", 1))
    return httpx.AsyncClient(transport=transport, base_url="http://x", headers={"authorization": f"Bearer {name}"})


@pytest.mark.asvs("8.2.2", "8.4.1")
@pytest.mark.claim("AUTHZ-2")
async def test_an_id_of_another_workspace_is_nobodys(
    store: SqliteStore, clock: MovingClock, entropy: SeededEntropy, tmp_path: Path, made: FreshKeys
) -> None:
    """The same 404 as for an id that never was, on every operation that takes one; and the holder's rows, its log
    among them, are as they were. Whoever holds the id finds it: the question could have been answered."""
    rig, front = await _world(store, clock, entropy, tmp_path, made)
    wrong, asked = [], 0
    async with _client(front, "ours") as ours, _client(front, "theirs") as theirs:
        held = await _hold(ours, rig, clock, entropy)

        async def ask(who: httpx.AsyncClient, operation: Operation, path: str) -> tuple[int, dict[str, Any]]:
            name = operation.request.__name__ if operation.request is not None else ""
            body = {"json": _SAME.get(name, {})} if operation.takes_body else {}
            heard = await who.request(operation.method, path, **cast("Any", body))
            told = heard.json() if heard.headers.get("content-type", "").endswith("json") else {}
            told.pop("request_id", None)
            return heard.status_code, told

        before = await dump(store)
        for operation in operations():
            path, never = held.fill(operation, foreign=True), held.fill(operation, foreign=False)
            if "{" in operation.path and path is not None and never is not None:
                asked += 1
                foreign = await ask(theirs, operation, path)
                if foreign[0] != 404 or foreign != await ask(theirs, operation, never):
                    wrong.append((operation.name, foreign))
        assert not wrong
        assert asked >= 40
        assert await dump(store) == before
        for operation in operations():
            path = held.fill(operation, foreign=True)
            one = operation.method == "GET" and operation.path.endswith("}") and operation.path.count("{") == 1
            if one and path is not None:
                assert (await ask(ours, operation, path))[0] == 200, operation.name


@pytest.mark.claim("LOG-1")
async def test_each_act_by_api_says_where_it_came_from(
    store: SqliteStore, clock: MovingClock, entropy: SeededEntropy, tmp_path: Path, made: FreshKeys
) -> None:
    """Whatever a key changes is in the log with who did it, the address it came from, and that it was done."""
    rig, front = await _world(store, clock, entropy, tmp_path, made)
    async with _client(front, "ours") as ours:
        await _hold(ours, rig, clock, entropy)
    entries = await store.read(ACTOR.workspace, lambda tx: list_entries(tx, replace(ACTOR, permissions=ALL)))
    by_key = [e for e in entries if e.actor_kind == "key" and e.act != "member.added"]
    assert {"domain.added", "credential.created", "webhook.created", "role.created"} <= {e.act for e in by_key}
    assert {(e.address, e.outcome) for e in by_key if e.act != "route.added"} == {("127.0.0.1", "done")}


TIMED = ("getMessage", "getDomain", "revokeKey", "changeWebhook", "getReceived", "removeMember")
"""Reads and writes, of what is kept by id and by name."""
_PAIRS, _ROUNDS, _APART = 167, 3, 0.15


class Timed:
    """Asks the application without a client in between: how long an answer takes, and which it is."""

    def __init__(self, front: ASGIApp, key: str) -> None:
        self._front = front
        self._headers = [
            (b"host", b"x"),
            (b"authorization", b"Bearer " + key.encode()),
            (b"content-type", b"application/json"),
        ]

    async def ask(self, operation: Operation, path: str) -> float:
        """Seconds that a 404 takes."""
        sent: list[Message] = []
        content = [b"{}" if operation.takes_body else b""]

        async def receive() -> Message:
            return {"type": "http.request", "body": content[0], "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": operation.method,
            "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
            "headers": [*self._headers, (b"content-length", str(len(content[0])).encode())],
            "client": ("127.0.0.1", 1), "server": ("x", 80),
        }  # fmt: skip
        began = time.perf_counter()
        await self._front(scope, receive, send)
        took = time.perf_counter() - began
        assert sent[0]["status"] == 404, (operation.name, sent)
        return took


def alike(one: list[float], other: list[float]) -> bool:
    """Whether two sorts of answers, measured in pairs, cannot be told apart by the time they take.

    Of two alike either is the slower in half of the pairs, however busy the machine is: both
    of a pair meet the same weather. The bound is four standard deviations of a fair coin.
    """
    slower = sum(a > b for a, b in zip(one, other, strict=True)) / len(one)
    return abs(slower - 0.5) <= _APART


@pytest.mark.asvs("8.2.2")
@pytest.mark.claim("AUTHZ-2")
@pytest.mark.parametrize("store", STORES, indirect=True)
async def test_an_id_of_another_workspace_takes_as_long_as_nobodys(
    store: Any, clock: MovingClock, entropy: SeededEntropy, tmp_path: Path, made: FreshKeys
) -> None:
    """2,000 tries in pairs, either sort first in turn: on six routes what is there and another's is as often slower as
    what never was. A route that seems to tell is measured again, twice: one that tells is apart each time."""
    rig, front = await _world(store, clock, entropy, tmp_path, made)
    async with _client(front, "ours") as ours:
        held = await _hold(ours, rig, clock, entropy)
    timed = Timed(front, "theirs")
    named = {o.name: o for o in operations()}
    for name in TIMED:
        operation = named[name]
        foreign, never = held.fill(operation, foreign=True), held.fill(operation, foreign=False)
        assert foreign is not None and never is not None and foreign != never
        for path in (foreign, never) * 3:  # what is compiled and cached is, before anything counts
            await timed.ask(operation, path)
        for _ in range(_ROUNDS):
            took: dict[str, list[float]] = {foreign: [], never: []}
            for n in range(_PAIRS):
                for path in (foreign, never) if n % 2 else (never, foreign):
                    took[path].append(await timed.ask(operation, path))
            if alike(took[foreign], took[never]):
                break
        else:
            pytest.fail(f"{name} tells by its time whether an id exists elsewhere")


def test_times_that_differ_are_told_apart() -> None:
    """The comparison can fail: one look more is seen through noise of its size, slow answers are not."""
    draw = random.Random(1)
    one, other = ([draw.gauss(400, 60) * (20 if n % 10 == 0 else 1) for n in range(_PAIRS)] for _ in range(2))
    assert alike(one, other)
    assert not alike([t + 60 for t in one], other)
    assert not alike(one, [t + 60 for t in other])
