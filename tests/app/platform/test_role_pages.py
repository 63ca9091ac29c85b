"""Roles of a workspace's own on the dashboard: made, given, narrowed and removed, over the real areas."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import pytest
from starlette.applications import Starlette

from mailward.app.platform.members import Members
from mailward.app.platform.roles import Roles
from mailward.base.ids import UserId
from mailward.base.secret import Secret
from mailward.core.identity.model import Member
from mailward.core.identity.roles import permissions_of
from mailward.edges.web.dashboard.ports import Session, Surroundings
from mailward.edges.web.dashboard.site import routes
from mailward.policy.access import ROLE_PERMISSIONS, Actor, Permission, Role
from tests.app.platform.test_operator_pages import Browser
from tests.conftest import MovingClock, SeededEntropy
from tests.core.operators.operators_rig import Rig


@dataclass
class Doors:
    """Sessions by name; what somebody may do is looked up, as the platform does."""

    rig: Rig
    people: dict[str, tuple[UserId, Role]]

    async def resolve(self, token: str, *, ip: str) -> Session:
        who, role = self.people[token]
        actor = Actor(self.rig.workspace, "session", who, ROLE_PERMISSIONS[role], role)
        return Session(Secret(token), actor, f"{token}@acme.test", "Acme")


async def held_by(rig: Rig, who: UserId) -> frozenset[Permission]:
    async def look(tx: Any) -> frozenset[Permission]:
        member = await tx.people.member(rig.workspace, who)
        return await permissions_of(tx, rig.workspace, who, member.role)

    return await rig.store.read(rig.workspace, look)


@pytest.mark.claim("AUTHZ-1")
@pytest.mark.parametrize("store", ["embedded"], indirect=True)
async def test_a_role_is_made_given_narrowed_and_removed(
    store: Any, clock: MovingClock, entropy: SeededEntropy
) -> None:
    """Given on the team's page it is what its member may do, at once; in use it stays; above oneself it is not given;
    an admin, who may change members and no roles, sees the page without its forms."""
    rig = await Rig(store, clock, entropy).settle()
    sue = await rig.person("sue@acme.test")
    member = Member(sue, "sue@acme.test", "sue", Role.MEMBER, rig.now)
    await store.write(rig.workspace, lambda tx: tx.people.add_member(rig.workspace, member))
    doors = Doors(rig, {"owner": (rig.owner, Role.MANAGER), "admin": (rig.ann, Role.ADMIN)})
    changed = MagicMock()
    platform: Any = MagicMock(
        sessions=doors, security=AsyncMock(), roles=Roles(store, clock, entropy, changed=changed),
        members=Members(store, clock, entropy, MagicMock(), public_url="https://m.test", changed=changed),
    )  # fmt: skip
    platform.federated.providers = ()
    app = Starlette(routes=routes(platform, Surroundings(), entropy))
    owner, admin = Browser(app, "owner"), Browser(app, "admin")

    empty = await owner.post("/team/roles", "/team/roles", name="Support")
    assert empty.status_code == 422 and 'value="Support"' in empty.text, "what was typed stays"
    wish = {"name": "Support <b>", "permissions": ["message.read", "audit.read", "workspace.change"]}
    assert (await owner.post("/team/roles", "/team/roles", **wish)).status_code == 303
    (made,) = await store.read(rig.workspace, lambda tx: tx.roles.all())
    assert "Support &lt;b&gt;" in (await owner.get("/team")).text
    given = await admin.post("/team", f"/team/{sue}/role", role=made.id)
    assert given.status_code == 403 and await held_by(rig, sue) == ROLE_PERMISSIONS[Role.MEMBER]
    assert (await owner.post("/team", f"/team/{sue}/role", role=made.id)).status_code == 303
    assert await held_by(rig, sue) == {Permission(p) for p in wish["permissions"]}
    page = (await owner.get("/team/roles")).text
    assert "Held by sue@acme.test" in page and f"/team/roles/{made.id}/remove" not in page
    assert "/change" not in (await admin.get("/team/roles")).text
    if folder := os.environ.get("MAILWARD_KEEP_PAGES"):
        Path(folder, "roles.html").write_text(page)

    at = f"/team/roles/{made.id}"
    assert (await owner.post("/team/roles", f"{at}/remove")).status_code == 409, "somebody has it"
    less = {"name": "Support", "permissions": ["message.read"]}
    assert (await admin.post("/team", f"{at}/change", **less)).status_code == 403
    assert (await owner.post("/team/roles", f"{at}/change", **less)).status_code == 303
    assert await held_by(rig, sue) == {Permission.MESSAGE_READ}
    assert changed.called, "this process forgets what it knew at once"
    assert (await owner.post("/team", f"/team/{sue}/role", role="member")).status_code == 303
    assert (await owner.post("/team/roles", f"{at}/remove")).status_code == 303
    assert await store.read(rig.workspace, lambda tx: tx.roles.all()) == []
