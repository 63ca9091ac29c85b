"""Break-glass as people do it: the operators' pages and the customer's, over the real areas, on the embedded store."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import httpx
import pytest
from starlette.applications import Starlette

from mailward.app.platform.access import Access
from mailward.app.platform.alerts import Alerts
from mailward.base import ids
from mailward.base.errors import StepUpRequired, Unauthenticated
from mailward.base.ids import UserId
from mailward.base.secret import Secret
from mailward.core.guard.model import Alert
from mailward.core.operators import review
from mailward.core.operators.model import GrantState
from mailward.edges.web.dashboard.ports import Session, Surroundings
from mailward.edges.web.dashboard.site import routes
from mailward.policy.access import ROLE_PERMISSIONS, Actor, Permission, Role
from tests.app.platform.test_operators import Desk
from tests.conftest import MovingClock, SeededEntropy
from tests.core.operators.operators_rig import Rig


@dataclass
class Doors:
    """Sessions by name: a cookie says who one is."""

    desk: Desk
    people: dict[str, UserId]

    async def resolve(self, token: str, *, ip: str) -> Session:
        who = self.people.get(token)
        if who is None:
            raise Unauthenticated("unauthenticated", "Sign in first.")
        rig = self.desk.rig
        # Operators are members of a workspace of their own; here it does not matter which.
        actor = Actor(rig.workspace, "session", who, ROLE_PERMISSIONS[Role.MANAGER], Role.MANAGER)
        return Session(Secret(token), actor, f"{token}@{'acme' if token == 'owner' else 'ops'}.test", "Acme")


@dataclass
class Proofs:
    """Who showed a factor within the last minutes."""

    recent: set[UserId]

    async def require_recent(self, session: Session) -> None:
        if session.actor.id not in self.recent:
            raise StepUpRequired("step_up", "Show a factor again.")


class Browser:
    """Whoever it is, without script."""

    def __init__(self, app: Starlette, who: str) -> None:
        self._http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8080", cookies={"mailward": who}
        )

    async def get(self, path: str) -> httpx.Response:
        return await self._http.get(path)

    async def post(self, page: str, path: str, **data: Any) -> httpx.Response:
        found = re.search(r'name="csrf" value="([^"]+)"', (await self.get(page)).text)
        assert found is not None
        return await self._http.post(path, data={"csrf": found[1], **data})


@pytest.mark.claim("AUTHZ-3")
@pytest.mark.parametrize("store", ["embedded"], indirect=True)
async def test_from_the_request_to_the_read_on_the_pages(
    store: Any, clock: MovingClock, entropy: SeededEntropy, tmp_path: Path
) -> None:
    """Ann asks, Bob approves, the customer permits, Ann reads; the customer ends it and Ann reads no more."""
    desk = Desk(await Rig(store, clock, entropy).settle(), tmp_path)
    await desk.put()
    rig = desk.rig
    maker = Actor(rig.workspace, "system", "upkeep", frozenset(Permission))
    await store.write(rig.workspace, lambda tx: review.open_review(tx, maker, now=rig.now, entropy=entropy))
    doors = Doors(desk, {"ann": rig.ann, "bob": rig.bob, "owner": rig.owner})
    proofs = Proofs({rig.ann, rig.bob})
    platform: Any = MagicMock(sessions=doors, security=proofs, operators=desk.area, access=Access(store, clock))
    platform.alerts = Alerts(store, clock)
    platform.federated.providers = ()
    app = Starlette(routes=routes(platform, Surroundings(), entropy))
    ann, bob, owner = (Browser(app, who) for who in ("ann", "bob", "owner"))

    assert (await owner.get("/operator")).status_code == 404, "the door does not show"
    page = (await ann.get("/operator")).text
    assert "Acme" in page and "x.test" not in page
    asked = {
        "workspace": rig.workspace, "what": ["metadata", "content"], "reason": "mail does not arrive", "ticket": "T-9",
        "minutes": "30", "legal": "",
    }  # fmt: skip
    assert (await ann.post("/operator", "/operator/requests", **asked)).status_code == 303
    (grant,) = await store.system_read(lambda tx: tx.operators.grants(limit=2))
    at = f"/operator/grants/{grant.id}"
    assert (await ann.get(f"/operator/read/{grant.id}")).status_code == 403
    assert (await ann.post("/operator", f"{at}/approve")).status_code == 403
    proofs.recent.clear()
    for browser, path in ((ann, "/operator/requests"), (bob, f"{at}/approve"), (ann, f"{at}/begin")):
        led = await browser.post("/operator", path, **asked)
        assert led.headers["location"].startswith("/security/again?next="), "a proof of long ago opens nothing"
    (still,) = await store.system_read(lambda tx: tx.operators.grants(limit=2))
    assert still.state is GrantState.REQUESTED
    proofs.recent |= {rig.ann, rig.bob}
    assert (await bob.post("/operator", f"{at}/approve")).status_code == 303
    assert (await ann.post("/operator", f"{at}/begin")).status_code == 409
    shown = (await owner.get("/access")).text
    assert "mail does not arrive" in shown and "T-9" in shown and "owner@acme.test" in shown
    assert (await owner.post("/access", f"/access/{grant.id}/permit")).status_code == 303
    assert (await ann.post("/operator", f"{at}/begin")).status_code == 303

    assert desk.message in (await ann.get(f"/operator/read/{grant.id}")).text
    opened = await ann.get(f"/operator/read/{grant.id}/{desk.message}?content=1")
    assert "their secret" in opened.text
    assert (await bob.get(f"/operator/read/{grant.id}")).status_code == 404, "the grant is Ann's"
    if folder := os.environ.get("MAILWARD_KEEP_PAGES"):
        for name, browser, path in (("operator", bob, "/operator"), ("access", owner, "/access")):
            Path(folder, f"{name}.html").write_text((await browser.get(path)).text)

    await alerts(store, clock, rig, ann, owner)
    proofs.recent.clear()
    assert (await owner.post("/access", f"/access/{grant.id}/revoke")).status_code == 303
    for path in (f"/operator/read/{grant.id}", f"/operator/read/{grant.id}/{desk.message}?content=1"):
        assert (await ann.get(path)).status_code == 403
    assert [act for act, _ in await rig.log()].count("read") >= 3

    (one,) = await store.read(rig.workspace, lambda tx: tx.reviews.page(limit=2))
    decided = {"kind": "member", "item": rig.owner, "decision": "keep"}
    assert (await owner.post("/access", f"/access/reviews/{one.id}", **decided)).status_code == 303
    again = await owner.post("/access", f"/access/reviews/{one.id}", **decided)
    assert again.status_code == 409


async def alerts(store: Any, clock: MovingClock, rig: Rig, ann: Browser, owner: Browser) -> None:
    """Operators see every alert and what none of them says; they acknowledge the installation's, and no workspace's."""
    made = []
    for number, of in enumerate((rig.workspace, None)):
        id = ids.new("alr", clock.now(), rig.entropy)
        made.append(Alert(id, of, clock.now(), "key-abuse", "high", "cy@acme.test", "cy@acme.test, 192.0.2.1"))
        await store.system_write(lambda tx, n=number: tx.guard.add_alert(made[n], bytes([n])))
    page = (await ann.get("/operator/alerts")).text
    assert (page.count("key-abuse</code>"), "Acme" in page, "the installation</td>" in page) == (2, True, True)
    assert "cy@acme.test" not in page and "192.0.2.1" not in page
    theirs, ours = (f"/operator/alerts/{a.id}/acknowledge" for a in made)
    assert theirs not in page
    assert (await ann.post("/operator/alerts", theirs)).status_code == 404
    assert (await ann.post("/operator/alerts", ours)).status_code == 303
    assert "Acknowledge</button>" not in (await ann.get("/operator/alerts")).text
    assert (await owner.get("/operator/alerts")).status_code == 404
    assert (await owner.post("/access", ours)).status_code == 404
    if folder := os.environ.get("MAILWARD_KEEP_PAGES"):
        Path(folder, "operator_alerts.html").write_text(page)
