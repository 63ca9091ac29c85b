"""Alerts: a workspace's own, at the API and the dashboard; and what operators see of all of them."""

from __future__ import annotations

from collections.abc import Sequence

from mailward.app.store import Store, Tx
from mailward.base.errors import Invalid, NotFound
from mailward.base.ids import UserId
from mailward.base.sources import Clock
from mailward.core.guard.acknowledge import acknowledge, acknowledge_ours
from mailward.core.guard.model import Alert
from mailward.core.guard.watching import list_alerts
from mailward.core.operators.register import operator_actor
from mailward.edges.web.dashboard.ports import OperatorAlert
from mailward.edges.web.schema import alerts as schema
from mailward.edges.web.schema.common import PageQuery
from mailward.policy.access import Actor


class Alerts:
    """Implements `edges.web.ports.Alerts` and `edges.web.dashboard.ports.Alerts`."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def page(self, actor: Actor, query: PageQuery) -> schema.AlertPage:
        """Newest first; none of another workspace's, none of the installation's."""
        try:
            found = await self._store.read(
                actor.workspace, lambda tx: list_alerts(tx, actor, before=query.cursor, limit=query.limit + 1)
            )
        except NotFound:
            raise Invalid(
                "invalid_cursor", "This cursor is not one of ours; start again without it.", field="cursor"
            ) from None
        shown = found[: query.limit]
        return schema.AlertPage(
            data=[_view(a) for a in shown], next_cursor=shown[-1].id if len(found) > query.limit else None
        )

    async def acknowledge(self, actor: Actor, id: str) -> schema.Alert:
        """Note that it was seen."""
        now = self._clock.now()
        return _view(await self._store.write(actor.workspace, lambda tx: acknowledge(tx, actor, id, now=now)))

    async def everywhere(self, user: str, *, before: str, limit: int) -> Sequence[OperatorAlert]:
        """Alerts of the installation and of every workspace without what they say, newest first; for operators."""

        async def look(tx: Tx) -> tuple[list[Alert], dict[str, str]]:
            await _serving(tx, user)
            names = {str(w.id): w.name or str(w.id) for w in await tx.workspaces.all()}
            return await tx.guard.alerts(before=before or None, limit=limit), names

        found, names = await self._store.system_read(look)
        return [
            OperatorAlert(
                a.id, a.at, a.rule, a.severity, names.get(a.workspace or "", a.workspace or ""), a.acknowledged
            )
            for a in found
        ]

    async def acknowledge_ours(self, user: str, id: str) -> None:
        """An operator notes that an alert of the installation was seen."""
        now = self._clock.now()

        async def act(tx: Tx) -> None:
            await acknowledge_ours(tx, await _serving(tx, user), id, now=now)

        await self._store.system_write(act)


async def _serving(tx: Tx, user: str) -> Actor:
    """The person as an operator; NotFound for anybody else: the door does not show."""
    found = await tx.operators.get(UserId(user))
    if found is None or not found.serving:
        raise NotFound("not_found", "There is nothing at this path.")
    return operator_actor(found.id)


def _view(a: Alert) -> schema.Alert:
    return schema.Alert(
        id=a.id,
        at=a.at,
        rule=a.rule,
        severity=a.severity,
        subject=a.subject,
        sentence=a.sentence,
        acknowledged_at=a.acknowledged,
        acknowledged_by=a.acknowledged_by,
    )
