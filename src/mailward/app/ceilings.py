"""What the operator set for single workspaces, in each worker's memory."""

from __future__ import annotations

from collections.abc import Mapping

from mailward.app.allowance import per_minute
from mailward.app.store import Store
from mailward.base.ids import WorkspaceId
from mailward.edges.web.limits import RateClass
from mailward.policy.gcra import Rate

_NONE: Mapping[RateClass, Rate | None] = {}


class KnownCeilings:
    """Read again whenever the epoch of credentials moves, which setting a limit makes it do."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._messages: dict[str, Rate | None] = {}
        self._api: dict[str, Mapping[RateClass, Rate | None]] = {}

    async def load(self) -> None:
        """Read them all: they are exceptions, and few."""
        found = await self._store.system_read(lambda tx: tx.ceilings.all())
        self._messages = {w: per_minute("messages", c.messages) for w, c in found.items() if c.messages is not None}
        self._api = {w: api_rates(c.api) for w, c in found.items() if c.api is not None}

    def messages(self, workspace: WorkspaceId, usual: Rate | None) -> Rate | None:
        """The rate of messages of a workspace."""
        return self._messages.get(workspace, usual) if self._messages else usual

    def api(self, workspace: str) -> Mapping[RateClass, Rate | None]:
        """The rates of requests that differ from the installation's."""
        return self._api.get(workspace, _NONE)


def api_rates(quota: int) -> dict[RateClass, Rate | None]:
    """Reads and sends as many as `quota` a minute each, writes a tenth; 0 means no limit."""
    return {
        kind: Rate(kind.value, quota if kind is not RateClass.WRITE else max(1, quota // 10), 60) if quota else None
        for kind in (RateClass.READ, RateClass.SEND, RateClass.WRITE)
    }
