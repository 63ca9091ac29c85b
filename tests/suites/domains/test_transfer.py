"""A domain that another workspace holds: asked for with proof, granted or refused, never taken; on both stores."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from mailward.app.platform.transfers import Transfers
from mailward.app.store import Store, Tx
from mailward.base import ids
from mailward.base.errors import Conflict, Forbidden, NotFound
from mailward.base.ids import WorkspaceId
from mailward.core.audit.read import list_entries
from mailward.core.domains.model import Domain
from mailward.core.identity.credentials import Wish, create_key
from mailward.core.identity.model import Credential
from mailward.core.inbound.model import InboundRoute
from mailward.policy.access import Actor, Permission
from tests.app.inbound.inbound_rig import route
from tests.suites.domains.test_domains import NAMES, A, B, World, acting

pytestmark = pytest.mark.claim("AUTHZ-2")

OPERATOR = Actor(WorkspaceId(""), "cli", "cli", frozenset(Permission))


class Place(World):
    """A name verified in A, and claimed by B with its own records published."""

    def __init__(self, store: Store, clock: Any, entropy: Any) -> None:
        super().__init__(store, clock, entropy)
        self.transfers = Transfers(store, clock, entropy, self.zone, NAMES)

    async def prepare(self) -> tuple[Domain, Domain]:
        held = await self.verified("example.com")
        claimed = await self.add("Example.COM.", B)
        await self.publish(claimed.id, B)
        return held, claimed

    async def acts(self, workspace: WorkspaceId) -> list[str]:
        found = await self.store.read(workspace, lambda tx: list_entries(tx, acting(workspace)))
        return [e.act for e in found]

    async def due(self) -> list[tuple[str, str]]:
        found = await self.store.system_read(lambda tx: tx.notices.due(10))
        return [(n.kind, n.workspace) for n in found]


async def _insert(route: InboundRoute, tx: Tx) -> None:
    await tx.inbound.insert_route(route)


async def _credential(id: str, tx: Tx) -> Credential | None:
    return await tx.credentials.get(id)


@pytest.fixture
def place(store: Store, clock: Any, entropy: Any) -> Place:
    return Place(store, clock, entropy)


async def test_a_granted_domain_leaves_keys_routes_and_credentials_behind(place: Place) -> None:
    """The holder loses domain, signing keys, its routes and keys bound to it alone; the asker still has to prove it."""
    held, claimed = await place.prepare()
    asked = await place.transfers.ask(acting(B), claimed.id)
    assert (asked.status, (await place.transfers.ask(acting(B), "example.com")).id) == ("open", asked.id)
    assert await place.due() == [("domain.transfer_asked", A)]

    async def key(domains: frozenset[str] | None) -> str:
        wish, now = Wish("k", domains=domains), place.clock.now()
        made = await place.store.write(A, lambda tx: create_key(tx, acting(A), wish, now=now, entropy=place.entropy))
        return made.credential.id

    bound = await key(frozenset({"example.com"}))
    free = [await key(None), await key(frozenset({"example.com", "other.example"}))]
    for name in ("example.com", "other.example"):
        made = replace(route(name=name), workspace=ids.decode("ws", A), domain=name)
        await place.store.write(A, partial(_insert, made))
    (theirs,) = (await place.transfers.list(acting(A))).data
    assert (theirs.direction, theirs.name, theirs.status) == ("asked_of_us", "example.com", "open")
    await place.transfers.decide(acting(A), asked.id, True)
    with pytest.raises(NotFound):
        await place.get(held.id)
    assert not (await place.snapshot()).workspaces
    routes = await place.store.read(A, lambda tx: tx.inbound.routes(before=None, limit=10))
    assert [r.domain for r in routes] == ["other.example"]
    kept = [await place.store.read(A, partial(_credential, id)) for id in (bound, *free)]
    assert [c is not None and c.revoked is not None for c in kept] == [True, False, False]
    assert (await place.get(claimed.id, B))[0].state == "pending"
    assert (await place.check(claimed.id, B)).state == "verified"
    assert {"domain.transferred", "credential.revoked", "route.removed"} <= set(await place.acts(A))
    assert {"domain.transfer_asked", "domain.transferred"} <= set(await place.acts(B))
    assert ("domain.transferred", A) in await place.due()


async def test_who_cannot_prove_the_name_may_not_ask(place: Place) -> None:
    """The holder's records, another workspace's token, or nothing in DNS: refused, and nobody is told."""
    await place.verified("example.com")
    claimed = await place.add("example.com", B)
    with pytest.raises(Conflict) as refused:
        await place.transfers.ask(acting(B), claimed.id)
    assert refused.value.code == "not_proven" and A not in refused.value.public
    free = await place.verified("free.example", B)
    with pytest.raises(Conflict) as refused:
        await place.transfers.ask(acting(B), free.id)
    assert refused.value.code == "not_held"
    assert await place.due() == []


async def test_nobody_but_the_holder_decides_until_the_wait_is_over(place: Place) -> None:
    """The asker and strangers hear that there is none, the operator has to wait a week, and a decision stands."""
    held, claimed = await place.prepare()
    asked = await place.transfers.ask(acting(B), claimed.id)
    for actor, how in ((acting(B), NotFound), (OPERATOR, Forbidden)):
        with pytest.raises(how):
            await place.transfers.decide(actor, asked.id, True)
    reader = Actor(A, "key", "key_x", frozenset({Permission.DOMAIN_READ}))
    with pytest.raises(Forbidden):
        await place.transfers.decide(reader, asked.id, True)
    assert (await place.get(held.id))[0].state == "verified"
    place.clock.move(days=7)
    await place.transfers.decide(OPERATOR, asked.id, False)
    with pytest.raises(Conflict):
        await place.transfers.decide(acting(A), asked.id, True)
    assert (await place.get(held.id))[0].state == "verified"
    again = await place.transfers.ask(acting(B), claimed.id)
    place.clock.move(days=8)
    await place.transfers.decide(OPERATOR, again.id, True)
    with pytest.raises(NotFound):
        await place.get(held.id)
    assert "domain.transferred" in await place.acts(A)


async def test_a_holder_who_comes_back_starts_anew(place: Place) -> None:
    """After the transfer the old holder's former records prove nothing, and it cannot have the name beside the new."""
    _, claimed = await place.prepare()
    asked = await place.transfers.ask(acting(B), claimed.id)
    await place.transfers.decide(acting(A), asked.id, True)
    assert (await place.check(claimed.id, B)).state == "verified"
    back = await place.add("example.com")
    assert (await place.check(back.id)).state == "pending"
    await place.publish(back.id)
    with pytest.raises(Conflict) as refused:
        await place.check(back.id)
    assert refused.value.code == "domain_taken"
