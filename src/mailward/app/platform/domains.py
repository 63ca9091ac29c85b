"""The domains area of the platform. DNS and the making of keys happen between transactions."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from mailward.app.platform.pages import checked
from mailward.app.store import Store
from mailward.base.errors import Conflict, LimitReached
from mailward.base.ids import WorkspaceId
from mailward.base.sources import Clock, Entropy
from mailward.core.domains import add, drift, read, records, rotate, rotation, watch
from mailward.core.domains.alignment import alignment
from mailward.core.domains.keys import FreshKeys
from mailward.core.domains.model import Domain, DomainState, InstallationNames, KeyPair, KeyState, RecordCheck
from mailward.core.domains.ports import Dns
from mailward.core.webhooks.enqueue import tell
from mailward.edges.web.schema import domains as schema
from mailward.edges.web.schema.common import PageQuery
from mailward.policy import access
from mailward.policy.access import Actor, Permission

DOMAINS_MAX = 1000
CHECK_SECONDS = 10.0
_EVERYONE_KNOWS_SECONDS = 0.6


class Domains:
    """Implements `edges.web.ports.Domains`. `fresh` makes a pair of keys for a workspace, off the event loop."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        entropy: Entropy,
        dns: Dns,
        names: InstallationNames,
        fresh: Callable[[WorkspaceId], Awaitable[FreshKeys]],
    ) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._dns = dns
        self._names = names
        self._fresh = fresh
        self._looked: dict[str, float] = {}

    async def add(self, actor: Actor, request: schema.AddDomain) -> schema.DomainDetail:
        """A domain and the records to publish."""
        access.require(actor, Permission.DOMAIN_CHANGE)  # before keys are made for someone who may not
        held = await self._store.read(
            actor.workspace, lambda tx: read.list_domains(tx, _reader(actor), limit=DOMAINS_MAX)
        )
        if len(held) >= DOMAINS_MAX:
            raise Conflict("too_many_domains", f"A workspace has at most {DOMAINS_MAX} domains.")
        keys = await self._fresh(actor.workspace)
        domain = await self._store.write(
            actor.workspace,
            lambda tx: add.add_domain(
                tx, actor, request.name, keys, now=self._clock.now(), entropy=self._entropy,
                subdomains=request.subdomains,
            ),
        )  # fmt: skip
        return await self.get(_reader(actor), domain.id)

    async def list(self, actor: Actor, query: PageQuery) -> schema.DomainPage:
        """Newest first."""
        before = checked(query.cursor, "dom")
        found = await self._store.read(
            actor.workspace, lambda tx: read.list_domains(tx, actor, before=before, limit=query.limit + 1)
        )
        shown = found[: query.limit]
        more = shown[-1].id if len(found) > query.limit else None
        return schema.DomainPage(data=[schema.DomainSummary(**_summary(d)) for d in shown], next_cursor=more)

    async def get(self, actor: Actor, domain: str) -> schema.DomainDetail:
        """A domain with each record as last seen."""
        found, pairs = await self._store.read(actor.workspace, lambda tx: read.get_domain(tx, actor, domain))
        return _detail(found, pairs, self._names)

    async def check(self, actor: Actor, domain: str) -> schema.DomainDetail:
        """Look at live DNS, at most every few seconds for one domain."""
        access.require(actor, Permission.DOMAIN_CHANGE)
        held, _ = await self._store.read(actor.workspace, lambda tx: read.get_domain(tx, _reader(actor), domain))
        now = self._clock.monotonic()
        wait = self._looked.get(held.id, 0.0) + CHECK_SECONDS - now
        if wait > 0 and held.id in self._looked:
            raise LimitReached("checked_just_now", "DNS was asked just now; try again soon.", retry_after=wait)
        if len(self._looked) > 10_000:
            self._looked.clear()
        self._looked[held.id] = now
        found, pairs = await watch.check_domain(
            self._store, self._dns, _reader(actor), held.id, names=self._names, now=self._clock.now(), tell=tell
        )
        if found.state is not held.state:
            # When this says "verified", every worker of the machine knows, even one whose notice was lost.
            await asyncio.sleep(_EVERYONE_KNOWS_SECONDS)
        return _detail(found, pairs, self._names)

    async def rotate(self, actor: Actor, domain: str) -> schema.DomainDetail:
        """Begin a rotation: the detail lists the new selectors to publish."""
        access.require(actor, Permission.DOMAIN_CHANGE)
        held, _ = await self._store.read(actor.workspace, lambda tx: read.get_domain(tx, _reader(actor), domain))
        keys = await self._fresh(actor.workspace)
        now = self._clock.now()
        await self._store.write(
            actor.workspace, lambda tx: rotate.rotate(tx, actor, held.id, keys, now=now, entropy=self._entropy)
        )
        return await self.get(_reader(actor), held.id)

    async def remove(self, actor: Actor, domain: str) -> None:
        """Nothing is sent from it after this."""
        now = self._clock.now()
        await self._store.write(actor.workspace, lambda tx: add.remove_domain(tx, actor, domain, now=now))


def _detail(domain: Domain, pairs: list[KeyPair], names: InstallationNames) -> schema.DomainDetail:
    # Of the reserved domain nothing is published.
    capture = domain.state is DomainState.CAPTURE_ONLY
    told = [] if capture else records.latest_checks(domain, pairs, names)
    aligned = alignment(domain, pairs)
    return schema.DomainDetail(
        **_summary(domain),
        verified_at=domain.verified_at,
        records=[_record(check) for check in told],
        alignment=None if capture else schema.Alignment(dkim=aligned.dkim, spf=aligned.spf, policy=aligned.policy),
        signing_keys=[_keys(pair) for pair in pairs if pair.state is not KeyState.REMOVED],
        rotation_due_at=None if capture else rotation.rotation_due_at(pairs),
    )


def _keys(pair: KeyPair) -> schema.SigningKeys:
    return schema.SigningKeys(
        selectors=[pair.rsa_selector, pair.ed25519_selector],
        state=pair.state.value,
        created_at=pair.created,
        changed_at=pair.changed,
    )


def _reader(actor: Actor) -> Actor:
    """The actor, who may change domains, also reading the one that was changed to show it."""
    more = actor.permissions | {Permission.DOMAIN_READ}
    return replace(actor, permissions=more)


def _summary(domain: Domain) -> dict[str, Any]:
    return {
        "id": domain.id,
        "name": domain.name,
        "status": domain.state.value,
        "created_at": domain.created,
        "checked_at": domain.checked_at,
        "failing_since": domain.failing_since,
        "stops_sending_at": drift.stops_at(domain),
    }


def _record(check: RecordCheck) -> schema.DnsRecord:
    record = check.record
    return schema.DnsRecord(
        purpose=record.purpose,
        type=record.type,
        name=record.name,
        value=record.value,
        zone_line=record.zone_line,
        required=record.required,
        state=check.state,
        found=list(check.found),
        hint=check.hint,
    )
