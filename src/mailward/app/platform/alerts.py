"""Alerts of a workspace, at the dashboard's door."""

from __future__ import annotations

from collections.abc import Sequence

from mailward.app.store import Store
from mailward.core.guard.watching import list_alerts
from mailward.edges.web.dashboard.ports import ShownAlert
from mailward.policy.access import Actor


class Alerts:
    """Implements `edges.web.dashboard.ports.Alerts`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def list(self, actor: Actor, *, before: str = "", limit: int = 50) -> Sequence[ShownAlert]:
        """Newest first; none of another workspace's, none of the installation's."""
        found = await self._store.read(
            actor.workspace, lambda tx: list_alerts(tx, actor, before=before or None, limit=limit)
        )
        return [ShownAlert(a.id, a.at, a.rule, a.severity, a.subject, a.sentence) for a in found]
