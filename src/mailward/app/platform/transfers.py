"""Domains that go from one workspace to another."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from mailward.app.store import Store, Tx
from mailward.base import ids
from mailward.base.errors import NotFound
from mailward.base.ids import WorkspaceId
from mailward.base.sources import Clock, Entropy
from mailward.core.domains import read, transfer
from mailward.core.domains.inspect import inspect
from mailward.core.domains.model import InstallationNames, Transfer, TransferState
from mailward.core.domains.ports import Dns
from mailward.edges.web.schema import domains as schema
from mailward.policy import access
from mailward.policy.access import Actor, Permission

_LISTED = 100
_MOST_ROUTES = 10_000


class Transfers:
    """Implements `edges.web.ports.Transfers`."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, dns: Dns, names: InstallationNames) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._dns = dns
        self._names = names

    async def ask(self, actor: Actor, domain: str) -> schema.DomainTransfer:
        """Look at DNS for the asker's own records, then ask."""
        access.require(actor, Permission.DOMAIN_CHANGE)
        reader = replace(actor, permissions=actor.permissions | {Permission.DOMAIN_READ})
        own, pairs = await self._store.read(actor.workspace, lambda tx: read.get_domain(tx, reader, domain))
        seen = await self._dns.drive(inspect(own, pairs, self._names), fresh=True)
        now = self._clock.now()
        made = await self._store.system_write(
            lambda tx: transfer.ask(tx, actor, own, seen, pairs, now=now, entropy=self._entropy)
        )
        return schema.DomainTransfer(
            id=made.id, domain=own.id, name=own.name, direction="asked", status="open", asked_at=made.asked
        )

    async def list(self, actor: Actor) -> schema.DomainTransfers:
        """Asked by this workspace and of it. Neither side is told who the other is."""
        access.require(actor, Permission.DOMAIN_READ)
        found = await self._store.system_read(lambda tx: tx.transfers.of(actor.workspace, _LISTED))
        names = await self._store.read(actor.workspace, lambda tx: _names(tx, actor.workspace, found))
        return schema.DomainTransfers(data=[_view(t, actor.workspace, names) for t in found])

    async def decide(self, actor: Actor, id: str, grant: bool) -> None:
        """The holder's routes of the name go first: after a crash in between it can be granted again."""
        now = self._clock.now()
        found = await self._store.system_read(lambda tx: tx.transfers.get(id))
        if found is None:
            raise NotFound("not_found", "There is no such transfer.")
        transfer.require_decidable(found, actor, now=now)
        if grant:
            await self._store.write(found.holder, lambda tx: _drop_routes(tx, actor, found, now))
        await self._store.system_write(lambda tx: transfer.decide(tx, actor, id, grant=grant, now=now))


async def _drop_routes(tx: Tx, actor: Actor, found: Transfer, now: datetime) -> None:
    await tx.audit.in_turn(found.holder)
    held = await tx.domains.get(found.held)
    if held is None:
        return
    for route in await tx.inbound.routes(before=None, limit=_MOST_ROUTES):
        if route.domain == held.name:
            await tx.inbound.delete_route(route.id)
            id = ids.encode("rte", route.id)
            facts = {"domain": held.name, "reason": "domain transferred"}
            by = Actor(found.holder, actor.kind, actor.id, address=actor.address)
            await tx.audit.append(by, "route.removed", id, facts, now=now)


async def _names(tx: Tx, workspace: WorkspaceId, found: list[Transfer]) -> dict[str, str]:
    names = {}
    for t in found:
        own = t.domain if t.asker == workspace else t.held
        if own not in names and (domain := await tx.domains.get(own)) is not None:
            names[own] = domain.name
    return names


def _view(t: Transfer, workspace: WorkspaceId, names: dict[str, str]) -> schema.DomainTransfer:
    own = t.domain if t.asker == workspace else t.held
    return schema.DomainTransfer(
        id=t.id,
        domain=own,
        name=names.get(own, ""),
        direction="asked" if t.asker == workspace else "asked_of_us",
        status=t.state.value if t.state is not TransferState.ASKED else "open",
        asked_at=t.asked,
        decided_at=t.decided,
    )
