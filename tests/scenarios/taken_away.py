"""People's access taken away on one node, while another node holds it: a role, a place with its key, a grant."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import httpx

from mailward.app.granted import GrantedStore
from mailward.app.installation import Installation
from mailward.app.settings import load
from mailward.app.store import Tx
from mailward.base import ids
from mailward.base.errors import Forbidden
from mailward.base.ids import UserId, WorkspaceId
from mailward.core.identity import people
from mailward.core.identity.credentials import Wish, create_key
from mailward.core.identity.model import User
from mailward.core.identity.sessions import create_session
from mailward.core.operators import model
from mailward.core.operators.read import reader_by
from mailward.policy.access import ROLE_PERMISSIONS, Actor, Permission, Role, Scope
from tests.scenarios.cluster import Node
from tests.scenarios.holding_on import Browser

_BESIDE = 991


@dataclass
class Person:
    """Somebody who manages the workspace, with a session and a key of their own."""

    id: UserId
    session: str
    key: str


async def _person(i: Installation, workspace: WorkspaceId, name: str) -> Person:
    now, entropy = i.clock.now(), i.entropy
    shell = Actor(workspace, "cli", "cli", frozenset(Permission), Role.MANAGER)
    id = UserId(ids.new("usr", now, entropy))
    acting = Actor(workspace, "session", id, ROLE_PERMISSIONS[Role.MANAGER], Role.MANAGER)

    async def verb(tx: Tx) -> Person:
        user = User(id, f"{name}@ours.test", name, "$none", now)
        await tx.people.add_user(user)
        await people.add_member(tx, shell, user, Role.MANAGER, now=now)
        _, token = await create_session(
            tx, id, workspace, Role.MANAGER, device="d", address="127.0.0.1", now=now, entropy=entropy
        )
        issued = await create_key(tx, acting, Wish(name, frozenset({Scope.READ})), now=now, entropy=entropy)
        assert issued.secret is not None
        return Person(id, token.reveal(), issued.secret.reveal())

    return await i.store.system_write(verb)


async def _grant(i: Installation, workspace: WorkspaceId) -> model.Grant:
    """A live one, of somebody who is an operator."""
    now, entropy = i.clock.now(), i.entropy
    ann = UserId(ids.new("usr", now, entropy))
    asked = model.Wish(reach=frozenset({model.Reach.METADATA}), reason="their mail does not arrive", ticket="T-1")
    state, ends = model.GrantState.LIVE, now + timedelta(minutes=60)
    grant = model.Grant(ids.new("grt", now, entropy), workspace, ann, asked, state, now, began=now, ends=ends)

    async def verb(tx: Tx) -> None:
        await tx.people.add_user(User(ann, "ann@ops.test", "Ann", "$none", now))
        await tx.operators.add(model.Operator(ann, "ann@ops.test", now, "cli", model.Register()))

    await i.store.system_write(verb)
    await i.store.write(workspace, lambda tx: tx.operators.add_grant(grant))
    return grant


def taken_away(one: Node, two: Node) -> dict[str, float]:
    """Take each away by node one's API; seconds until node two said no, by what it was."""
    return asyncio.run(_taken_away(one, two))


async def _taken_away(one: Node, two: Node) -> dict[str, float]:
    took: dict[str, float] = {}
    workspace = WorkspaceId(one.api("GET", "/v1/workspace")[1]["id"])
    i = Installation(load(str(two.config), {}), worker=_BESIDE)
    await i.open()

    async def ended(act: tuple[str, str, object], **held: Callable[[], Awaitable[bool]]) -> None:
        assert [what for what, holds in held.items() if not await holds()] == []
        status, answer = one.api(*act)
        assert status in (200, 204), answer
        began = time.monotonic()
        for what, holds in held.items():
            while await holds():
                assert time.monotonic() - began < 1, what
            took[what] = time.monotonic() - began

    try:
        lowered, removed = await _person(i, workspace, "ada"), await _person(i, workspace, "eve")
        grant = await _grant(i, workspace)
        opened = GrantedStore(i.store, reader_by(grant), model.Reach.METADATA, "list", workspace, i.clock.now)

        async def reads() -> bool:
            try:
                await opened.read(workspace, lambda tx: tx.messages.page(before=None, limit=1))
            except Forbidden:
                return False
            return True

        with _browser(two, lowered) as ada, _browser(two, removed) as eve:

            async def manages() -> bool:
                return ada.http.get("/team").status_code == 200

            async def live() -> bool:
                return eve.live()

            async def asks() -> bool:
                return two.api("GET", "/v1/messages", key=removed.key)[0] == 200

            await ended(("PATCH", f"/v1/members/{lowered.id}", {"role": "member"}), role=manages)
            assert await live() and await asks() and await reads(), "what is another's goes on"
            await ended(("DELETE", f"/v1/members/{removed.id}", None), removed_page=live, removed_key=asks)
            assert await reads()
            await ended(("POST", f"/v1/operator-access/{grant.id}/revoke", None), grant=reads)
    finally:
        await i.close()
    return took


def _browser(node: Node, person: Person) -> Browser:
    return Browser(node, httpx.Cookies({"mailward": person.session}))
