"""The suppressions area of the platform."""

from __future__ import annotations

import csv
from collections.abc import Callable

from mailward.app.platform import views
from mailward.app.platform.pages import checked
from mailward.app.store import Store
from mailward.base import ids
from mailward.base.errors import Invalid, NotFound
from mailward.base.ids import WorkspaceId
from mailward.base.sources import Clock, Entropy
from mailward.core.suppression import change, look, transfer
from mailward.core.suppression.model import Entry, Reason
from mailward.edges.web.schema import suppressions as schema
from mailward.policy.access import Actor


class Suppressions:
    """Implements `edges.web.ports.Suppressions`. `key` gives a workspace's key for address tokens."""

    def __init__(self, store: Store, clock: Clock, entropy: Entropy, key: Callable[[WorkspaceId], bytes]) -> None:
        self._store = store
        self._clock = clock
        self._entropy = entropy
        self._key_of = key

    async def find(self, actor: Actor, query: schema.SuppressionQuery) -> schema.SuppressionPage:
        """Newest first; by `address` all entries of one."""
        key = self._key(actor)
        if query.address is not None:
            address = query.address
            try:
                found = await self._store.read(actor.workspace, lambda tx: look.get(tx, actor, address, key=key))
            except NotFound:
                found = []
            wanted = [e for e in found if query.stream in (None, e.stream) and query.reason in (None, e.reason.value)]
            return schema.SuppressionPage(data=[_view(e) for e in wanted])
        page = await self._store.read(
            actor.workspace,
            lambda tx: look.page(
                tx,
                actor,
                cursor=checked(query.cursor, "sup"),
                limit=query.limit,
                search=query.search or "",
                reason=Reason(query.reason) if query.reason else None,
                stream=query.stream,
            ),
        )
        more = ids.encode("sup", page.next) if page.next else None
        return schema.SuppressionPage(data=[_view(e) for e in page.entries], next_cursor=more)

    async def add(self, actor: Actor, request: schema.AddSuppression) -> schema.Suppression:
        """List an address."""
        entry = await self._store.write(
            actor.workspace,
            lambda tx: change.add(
                tx,
                actor,
                request.address,
                Reason(request.reason),
                stream=request.stream or "",
                source="api",
                key=self._key(actor),
                now=self._clock.now(),
                entropy=self._entropy,
            ),
        )
        return _view(entry)

    async def remove(self, actor: Actor, address: str) -> None:
        """Take every entry of an address off."""
        key, now = self._key(actor), self._clock.now()
        if "@" not in address:
            raise Invalid("invalid_address", "This is not an email address.", field="address")
        await self._store.write(actor.workspace, lambda tx: change.remove(tx, actor, address, key=key, now=now))

    async def import_csv(self, actor: Actor, text: str) -> schema.Imported:
        """Add what a CSV lists."""
        try:
            lines = transfer.parse_csv(text)
        except csv.Error:
            raise Invalid("invalid_csv", "The file is not CSV (RFC 4180).", field="file") from None
        done = await self._store.write(
            actor.workspace,
            lambda tx: transfer.import_lines(
                tx, actor, lines, key=self._key(actor), now=self._clock.now(), entropy=self._entropy
            ),
        )
        reasons = [f"line {number}: {why}" for number, why in done.refused[:20]]
        return schema.Imported(added=done.added, known=done.already, refused=len(done.refused), reasons=reasons)

    async def export_csv(self, actor: Actor) -> str:
        """The whole list."""
        now = self._clock.now()
        return await self._store.write(actor.workspace, lambda tx: transfer.export(tx, actor, now=now))

    def _key(self, actor: Actor) -> bytes:
        return self._key_of(actor.workspace)


def _view(e: Entry) -> schema.Suppression:
    return schema.Suppression(
        id=ids.encode("sup", e.id),
        address=e.address,
        reason=e.reason.value,
        stream=e.stream or None,
        created_at=views.at(e.created),
        source=e.source,
    )
