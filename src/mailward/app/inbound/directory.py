"""Who receives mail here, as a worker knows it: verified domains and their routes, renewed by epoch."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from mailward.app.inbound.ports import Place
from mailward.app.naming import report_address
from mailward.app.store import Store, Tx
from mailward.base import ids
from mailward.base.errors import Unavailable
from mailward.core.domains.model import DomainState
from mailward.core.inbound.holder import holder_of, holders, upwards
from mailward.core.inbound.model import BY_HAND, EPOCH, InboundRoute
from mailward.core.registers.change import PROFILE_EPOCH
from mailward.core.registers.model import Kind, Profile
from mailward.policy.inbound_routes import RouteTable, Rule, is_role

_DOMAINS_EPOCH = "domains_epoch"
_HELD = frozenset({DomainState.VERIFIED, DomainState.CAPTURE_ONLY})


class MailDirectory:
    """Implements `ports.Directory`. Nothing here asks the store but `refresh`."""

    def __init__(self, store: Store, hostname: str) -> None:
        self._store = store
        self._hostname = hostname
        self._epochs: tuple[int, int, int] = (-1, -1, -1)
        self._held: Mapping[str, tuple[bytes, bool]] = {}
        self._table = RouteTable([])
        self._failing: frozenset[bytes] = frozenset()
        self._home: bytes | None = None
        self._contact = ""
        self._one_at_a_time = asyncio.Lock()

    async def refresh(self) -> bool:
        """Look whether domains, routes or the published contact changed and take it over; True when they did.

        Never two at a time: the slower one would bring back what was true before.
        """
        async with self._one_at_a_time:
            return await self._refresh()

    async def _refresh(self) -> bool:
        counters = await self._store.system_read(lambda tx: tx.counters.all())
        epochs = (counters.get(_DOMAINS_EPOCH, 0), counters.get(EPOCH, 0), counters.get(PROFILE_EPOCH, 0))
        if epochs == self._epochs:
            return False
        self._held, self._failing, self._table, self._home, self._contact = await self._store.system_read(_load)
        self._epochs = epochs
        return True

    def is_for_reports(self, address: str) -> bool:
        """Whether what is written to an address is a report of a weakness.

        `security` at our own name (RFC 2142 section 4), and the address that security.txt names when its domain is of
        whoever runs this installation: a register takes no mail of another customer.
        """
        address = address.lower()
        if address == report_address(self._hostname):
            return True
        domain = address.rpartition("@")[2]
        if address != self._contact or self._home is None:
            return False
        return domain == self._hostname or holder_of(self._held, domain) == self._home

    def receives(self, domain: str) -> bool:
        """A domain with a route, or one that is held: postmaster and abuse of that one are taken."""
        return domain == self._hostname or domain in self._table or holder_of(self._held, domain) is not None

    def place(self, address: str) -> Place | None:
        """The routes of the workspace that holds the domain now; its postmaster and abuse also without a route.

        A route turned off by hand takes nothing, as if it were not there. While one is off because the platform found
        its endpoint gone, Unavailable is raised: its owner is being told, and senders keep trying. So it is while the
        domain is failing: its records were gone for days, and will mostly be back.
        """
        local, _, domain = address.rpartition("@")
        workspace = self._home if domain == self._hostname else holder_of(self._held, domain)
        if workspace is None:
            if any(r.id in self._failing for r in self._table.lookup(unquoted(local), domain)):
                raise Unavailable("domain_failing", "Mail for this domain is not taken at the moment; try again later.")
            return None
        # A domain may have moved since a route was made: only the routes of who holds it now count.
        found: list[InboundRoute] = [r for r in self._table.lookup(unquoted(local), domain) if r.workspace == workspace]
        routes = tuple(r for r in found if r.enabled)
        if not routes and any(r.disabled_reason != BY_HAND for r in found):
            raise Unavailable("route_disabled", "Mail for this recipient is not taken at the moment; try again later.")
        return Place(workspace, routes) if routes or is_role(local) else None


def unquoted(local: str) -> str:
    """A local part as its owner thinks of it: without the quotes that only the wire needs."""
    if len(local) > 1 and local[0] == local[-1] == '"':
        return local[1:-1].replace("\\\\", "\0").replace("\\", "").replace("\0", "\\")
    return local


async def _load(tx: Tx) -> tuple[Mapping[str, tuple[bytes, bool]], frozenset[bytes], RouteTable, bytes | None, str]:
    verified = [(w, d) for w, d, _ in await tx.domains.senders() if d.state in _HELD]
    routes = [r for r in await tx.inbound.all_routes() if r.enabled or r.disabled_reason != BY_HAND]
    rules = [Rule(r, r.domain, r.kind, r.pattern) for r in routes]
    workspaces = await tx.workspaces.all()
    home = ids.decode("ws", workspaces[0].id) if workspaces else None
    profiles = [e.fields for e in await tx.registers.entries(Kind.PROFILE)]
    contact = next((p.security_contact for p in profiles if isinstance(p, Profile)), "")
    held = holders(verified)
    return held, await _failing(tx, held, routes), RouteTable(rules), home, contact.strip().lower()


async def _failing(tx: Tx, held: Mapping[str, tuple[bytes, bool]], routes: Iterable[InboundRoute]) -> frozenset[bytes]:
    """The routes that take nothing because the domain they are of, or the one above it, is failing."""
    known: dict[tuple[bytes, str], bool] = {}
    for route in routes:
        place = route.workspace, route.domain
        if holder_of(held, route.domain) is None and place not in known:
            above = [(name, await tx.domains.held_by(route.workspace, name)) for name in upwards(route.domain)]
            name, nearest = next(((n, d) for n, d in above if d is not None), ("", None))
            known[place] = (
                nearest is not None
                and nearest.state is DomainState.FAILING
                and (name == route.domain or nearest.subdomains)
            )
    return frozenset(r.id for r in routes if known.get((r.workspace, r.domain)))
