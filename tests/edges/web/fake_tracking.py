"""A tracking area that remembers what it was told."""

from __future__ import annotations

from datetime import UTC, datetime

from msgspec import UnsetType

from mailward.base.errors import NotFound
from mailward.edges.web.schema import tracking as types
from mailward.policy.access import Actor

NOW = datetime(2030, 1, 1, tzinfo=UTC)


class FakeTracking:
    """Two dicts. `name` is that of its one domain."""

    def __init__(self, name: str = "example.com", done: list[tuple[str, object]] | None = None) -> None:
        self.name = name
        self.done = done if done is not None else []
        self.mode: types.Mode | None = None
        self.out: set[str] = set()

    async def settings(self, actor: Actor) -> types.TrackingSettings:
        domain = types.DomainTracking(
            id="dom_01jd2s8k3xq4v6w8y0z1a2b3c4", name=self.name, mode=None, links_at="", missing=self.name,
            in_force={"transactional": "off", "broadcast": "both"},
        )  # fmt: skip
        streams: dict[str, types.Mode | None] = {"transactional": None, "broadcast": "both"}
        return types.TrackingSettings(default="off", workspace=self.mode, streams=streams, domains=[domain])

    async def change(self, actor: Actor, request: types.ChangeTracking) -> types.TrackingSettings:
        self.done.append(("track", request))
        if not isinstance(request.workspace, UnsetType):
            self.mode = request.workspace
        return await self.settings(actor)

    async def opt_out(self, actor: Actor, address: str) -> types.OptOut:
        self.done.append(("opt out", address))
        self.out.add(address)
        return types.OptOut(address=address, opted_out=True, since=NOW)

    async def opted_out(self, actor: Actor, address: str) -> types.OptOut:
        return types.OptOut(address=address, opted_out=address in self.out, since=NOW)

    async def opt_in(self, actor: Actor, address: str) -> None:
        self.done.append(("opt in", address))
        if address not in self.out:
            raise NotFound("not_found", "This recipient did not opt out.")
        self.out.discard(address)
