"""Transfers of domains, alerts and the workspace's settings on the dashboard, over the real areas."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import pytest
from starlette.applications import Starlette

from mailward.app.platform.alerts import Alerts
from mailward.app.platform.workspace import Workspaces
from mailward.base import ids
from mailward.base.ids import WorkspaceId
from mailward.base.secret import Secret
from mailward.core.audit.read import list_entries
from mailward.core.guard.model import Alert
from mailward.core.workspaces import change
from mailward.core.workspaces.retention import Terms
from mailward.edges.web.dashboard.ports import Session, Surroundings
from mailward.edges.web.dashboard.site import routes
from mailward.policy.access import ROLE_PERMISSIONS, Actor, Role
from tests.app.platform.test_operator_pages import Browser
from tests.conftest import MovingClock, SeededEntropy
from tests.suites.domains.test_domains import A, B
from tests.suites.domains.test_transfer import Place


@dataclass
class Doors:
    """A session is a workspace and a role, with a blank between."""

    async def resolve(self, token: str, *, ip: str) -> Session:
        place, _, role = token.partition(".")
        held = Role(role)
        actor = Actor(WorkspaceId(place), "session", "usr_x", ROLE_PERMISSIONS[held], held)
        return Session(Secret(token), actor, "x@acme.test", "Acme")


def keep(name: str, page: str) -> None:
    """For a look at it in a browser."""
    if folder := os.environ.get("MAILWARD_KEEP_PAGES"):
        Path(folder, name).write_text(page)


@pytest.fixture
async def place(store: Any, clock: MovingClock, entropy: SeededEntropy) -> Place:
    made = Place(store, clock, entropy)
    for id, name in ((A, "Acme"), (B, "Beta")):
        system = Actor(id, "system", "test", ROLE_PERMISSIONS[Role.MANAGER])
        await store.system_write(
            lambda tx, id=id, name=name, system=system: change.create(
                tx, system, name, now=clock.now(), entropy=entropy, id=id
            )
        )
    return made


@pytest.fixture
def app(place: Place, store: Any, clock: MovingClock, entropy: SeededEntropy) -> Starlette:
    platform: Any = MagicMock(
        sessions=Doors(), security=AsyncMock(), transfers=place.transfers, alerts=Alerts(store, clock),
        workspace=Workspaces(store, clock, Terms(60, 7)),
    )  # fmt: skip
    platform.federated.providers = ()
    return Starlette(routes=routes(platform, Surroundings(), entropy))


def browser(app: Starlette, workspace: str, role: Role) -> Browser:
    return Browser(app, f"{workspace}.{role.value}")


@pytest.mark.claim("AUTHZ-2")
async def test_a_domain_is_asked_for_and_given_away_on_the_pages(place: Place, app: Starlette) -> None:
    """The holder sees the question, has to type the name, and a member cannot answer it; the asker sees the answer."""
    _, claimed = await place.prepare()
    ask, at = f"/domains/{claimed.id}/transfer", "/domains/transfers"
    holder, asker = browser(app, A, Role.MANAGER), browser(app, B, Role.ADMIN)
    empty = (await holder.get(at)).text
    assert "Nobody asks" in empty and "/grant" not in empty
    assert (await asker.post(at, ask)).status_code == 303
    assert "asked for by us" in (await asker.get(at)).text
    page = (await holder.get(at)).text
    keep("transfers.html", page)
    assert "example.com" in page and B not in page, "nobody is told who asks"
    (open_,) = (await place.transfers.list(Actor(A, "cli", "x", ROLE_PERMISSIONS[Role.MANAGER]))).data
    grant = f"{at}/{open_.id}/grant"
    member = browser(app, A, Role.MEMBER)
    assert "/grant" not in (await member.get(at)).text
    assert (await member.post(at, grant, confirm="example.com")).status_code == 403
    assert (await asker.post(at, grant, confirm="example.com")).status_code == 404
    assert (await holder.post(at, grant, confirm="example.org")).status_code == 422
    assert (await holder.post(at, grant, confirm="example.com")).status_code == 303
    assert "granted" in (await asker.get(at)).text
    assert (await holder.post(at, f"{at}/{open_.id}/refuse")).status_code == 409, "it is decided"
    assert (await asker.post(at, ask)).status_code == 409, "nobody holds it now"


@pytest.mark.claim("KEYS-3")
async def test_what_happens_with_a_leaked_key_is_chosen_in_the_settings(
    place: Place, app: Starlette, store: Any
) -> None:
    """A manager chooses, the page says what holds; nobody else is offered the form. Tracking and content are facts."""
    manager, admin = browser(app, A, Role.MANAGER), browser(app, A, Role.ADMIN)
    before = (await manager.get("/settings")).text
    assert "<b>goes on working</b>" in before and "does not track" in before
    assert (await manager.post("/settings", "/settings/leaks", leaked="revoke")).status_code == 303
    page = (await manager.get("/settings")).text
    keep("settings.html", page)
    assert "<b>revoked at once</b>" in page
    assert (await manager.post("/settings", "/settings/leaks", leaked="shrug")).status_code == 422
    assert "/settings/leaks" not in (await admin.get("/settings")).text
    assert (await admin.post("/settings", "/settings/leaks", leaked="warn")).status_code == 403
    found = await store.system_read(lambda tx: tx.workspaces.get(A))
    assert found.settings.revoke_leaked


@pytest.mark.claim("LOG-3")
async def test_alerts_of_the_workspace_are_listed_and_no_others(
    place: Place, app: Starlette, store: Any, clock: MovingClock, entropy: SeededEntropy
) -> None:
    """Newest first with sentence and severity; those of another workspace and of the installation are not there."""
    for of, sentence in ((A, "Ours <b>first</b>"), (A, "Ours too"), (B, "Theirs"), (None, "Everybody's")):
        clock.move(seconds=1)
        alert = Alert(ids.new("alr", clock.now(), entropy), of, clock.now(), "stuffing", "high", "key_1", sentence)
        await store.system_write(lambda tx, alert=alert: tx.guard.add_alert(alert, alert.sentence.encode()[:16]))
    page = (await browser(app, A, Role.ADMIN).get("/alerts")).text
    keep("alerts.html", page)
    assert page.index("Ours too") < page.index("Ours &lt;b&gt;first")
    assert "Theirs" not in page and "Everybody" not in page
    assert (await browser(app, A, Role.MEMBER).get("/alerts")).status_code == 403
    await acknowledged(app, store, clock)


async def acknowledged(app: Starlette, store: Any, clock: MovingClock) -> None:
    """Somebody who may says so once, of the workspace's own alone; who and when is on the page and in the log."""
    admin = browser(app, A, Role.ADMIN)
    theirs, ours = (await store.system_read(lambda tx: tx.guard.alerts(before=None, limit=9)))[1:3]
    assert (theirs.workspace, ours.workspace) == (B, A)
    at = clock.move(minutes=1)
    assert (await admin.post("/alerts", f"/alerts/{ours.id}/acknowledge")).status_code == 303
    clock.move(minutes=1)
    assert (await admin.post("/alerts", f"/alerts/{ours.id}/acknowledge")).status_code == 303
    assert (await admin.post("/alerts", f"/alerts/{theirs.id}/acknowledge")).status_code == 404
    refused = await browser(app, A, Role.MEMBER).post("/settings", f"/alerts/{ours.id}/acknowledge")
    assert refused.status_code == 403
    kept = await store.system_read(lambda tx: tx.guard.alert(ours.id))
    assert (kept.acknowledged, kept.acknowledged_by.split()[0]) == (at, "session")
    assert (await store.system_read(lambda tx: tx.guard.alert(theirs.id))).acknowledged is None
    page = (await admin.get("/alerts")).text
    assert kept.acknowledged_by in page
    assert page.count("Acknowledge</button>") == 1
    reader = Actor(WorkspaceId(A), "system", "test", ROLE_PERMISSIONS[Role.MANAGER])
    found = await store.read(A, lambda tx: list_entries(tx, reader, act="alert.acknowledged"))
    assert [e.target for e in found] == [ours.id]
