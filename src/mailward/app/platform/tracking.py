"""The tracking area of the platform: what is tracked, and who does not want to be."""

from __future__ import annotations

from msgspec import UnsetType

from mailward.app.installation import Installation
from mailward.app.naming import installation_names
from mailward.app.store import Tx
from mailward.app.tracking.places import Places, link_places
from mailward.base import ids
from mailward.base.errors import NotFound
from mailward.core.domains.model import Domain, DomainState
from mailward.core.domains.records import tracks
from mailward.core.tracking import modes, opting
from mailward.core.tracking.model import STREAMS, WHOLE, Change, Modes, domain_scope, stream_scope
from mailward.edges.web.schema import tracking as schema
from mailward.policy import access
from mailward.policy.access import Actor, Permission
from mailward.policy.tracking import DEFAULT, Mode, resolve

_DOMAINS = 1000


class Tracking:
    """Implements `edges.web.ports.Tracking`."""

    def __init__(self, installation: Installation) -> None:
        self._i = installation

    async def settings(self, actor: Actor) -> schema.TrackingSettings:
        """What is said, what it comes to, and where links begin."""
        access.require(actor, Permission.DOMAIN_READ)

        async def verb(tx: Tx) -> tuple[Modes, list[Domain]]:
            return await modes.modes(tx, actor), await tx.domains.page(before=None, limit=_DOMAINS)

        said, domains = await self._i.store.read(actor.workspace, verb)
        places = await link_places(self._i)
        return schema.TrackingSettings(
            default=DEFAULT.value,
            workspace=_word(said.workspace),
            streams={stream: _word(said.streams.get(stream)) for stream in STREAMS},
            domains=[self._domain(d, said, places) for d in sorted(domains, key=lambda d: d.name)],
        )

    def _domain(self, d: Domain, said: Modes, places: Places) -> schema.DomainTracking:
        capture = d.state is DomainState.CAPTURE_ONLY
        label = installation_names(self._i.settings).tracking_label
        base, missing = places.base(d.name, f"{label}.{d.name}" if tracks(d) else "", capture=capture)
        own = said.domains.get(ids.decode("dom", d.id))
        force: dict[str, schema.Mode] = {
            stream: resolve(said.streams.get(stream), own, said.workspace).value for stream in STREAMS
        }
        return schema.DomainTracking(
            id=d.id, name=d.name, mode=_word(own), in_force=force, links_at=base, missing=missing
        )

    async def change(self, actor: Actor, request: schema.ChangeTracking) -> schema.TrackingSettings:
        """Other modes; what is not named stays."""
        scopes: dict[str, Mode | None] = {}
        if not isinstance(request.workspace, UnsetType):
            scopes[WHOLE] = _mode(request.workspace)
        scopes |= {stream_scope(stream): _mode(mode) for stream, mode in request.streams.items()}
        scopes |= {domain_scope(ids.decode("dom", id)): _mode(mode) for id, mode in request.domains.items()}
        now = self._i.clock.now()
        await self._i.store.write(actor.workspace, lambda tx: modes.change_modes(tx, actor, Change(scopes), now=now))
        more = actor.permissions | {Permission.DOMAIN_READ}
        return await self.settings(Actor(actor.workspace, actor.kind, actor.id, more, actor.role))

    async def opt_out(self, actor: Actor, address: str) -> schema.OptOut:
        """Track this recipient no more; doing it twice does no harm."""
        key, now = self._key(actor), self._i.clock.now()
        await self._i.store.write(actor.workspace, lambda tx: opting.opt_out(tx, actor, address, key=key, now=now))
        return schema.OptOut(address=address, opted_out=True, since=now)

    async def opted_out(self, actor: Actor, address: str) -> schema.OptOut:
        """Since when, if at all."""
        key = self._key(actor)
        since = await self._i.store.read(actor.workspace, lambda tx: opting.opted_out(tx, actor, address, key=key))
        return schema.OptOut(address=address, opted_out=since is not None, since=since)

    async def opt_in(self, actor: Actor, address: str) -> None:
        """Take an opt-out back. NotFound when there is none."""
        key, now = self._key(actor), self._i.clock.now()
        gone = await self._i.store.write(
            actor.workspace, lambda tx: opting.opt_in(tx, actor, address, key=key, now=now)
        )
        if not gone:
            raise NotFound("not_found", "This recipient did not opt out.")

    def _key(self, actor: Actor) -> bytes:
        return self._i.token_key(ids.decode("ws", actor.workspace))


def _mode(word: str | None) -> Mode | None:
    return Mode(word) if word is not None else None


def _word(mode: Mode | None) -> schema.Mode | None:
    return mode.value if mode is not None else None
