"""What one process observed, kept for seconds and then added to what all observed."""

from __future__ import annotations

from datetime import datetime
from functools import partial

import structlog

from mailward.app.store import Store
from mailward.base import ids
from mailward.base.sources import Entropy
from mailward.core.guard.model import Alert, Digests
from mailward.core.guard.watching import observe, raise_alerts, raise_on_returns
from mailward.policy.detection import Kind, Observation, slot_of
from mailward.policy.reputation import HOURS_LOOKED_AT, worth_a_look

log = structlog.get_logger()

_MOST_SUBJECTS, _MOST_ITEMS = 5_000, 100


class Watch:
    """One a process. Its memory is bounded: an attack that fills it has been seen."""

    def __init__(self, store: Store, digests: Digests, entropy: Entropy) -> None:
        self._store = store
        self._digests = digests
        self._entropy = entropy
        self._counts: dict[tuple[int, Kind, str, str], dict[str, int]] = {}

    def note(self, kind: Kind, subject: str, item: str, *, count: int = 1, workspace: str = "", now: datetime) -> None:
        """Something happened. `subject` is an address or an id, `item` what it was done to or from."""
        place = (slot_of(now.timestamp()), kind, subject, workspace)
        items = self._counts.get(place)
        if items is None:
            if len(self._counts) >= _MOST_SUBJECTS:
                return
            items = self._counts[place] = {}
        if item not in items and len(items) >= _MOST_ITEMS:
            item = next(iter(items))
        items[item] = items.get(item, 0) + count

    def token(self, subject: str) -> bytes:
        """What stands for a subject in the store."""
        return self._digests.of("subject", subject)

    async def tell(self) -> int:
        """Add what was noted to the store; call every few seconds, or at once where it matters. How many subjects."""
        counts, self._counts = self._counts, {}
        rows = [
            Observation(
                slot,
                kind,
                self.token(subject),
                self._digests.of("item", item),
                count,
                subject,
                ids.decode("ws", workspace) if workspace else b"",
            )
            for (slot, kind, subject, workspace), items in counts.items()
            for item, count in items.items()
        ]
        if rows:
            await self._store.system_write(lambda tx: observe(tx, rows))
        return len(counts)

    async def judge(self, now: datetime) -> list[Alert]:
        """Let the rules look at what all processes saw; the alerts raised. Once an installation, every minute."""
        return _logged(await self._store.system_write(lambda tx: raise_alerts(tx, now=now, entropy=self._entropy)))

    async def judge_returns(self, now: datetime) -> list[Alert]:
        """The same for what came back of each workspace's mail: bounces and complaints. Once an installation."""
        raised: list[Alert] = []
        hour = int(now.timestamp()) // 3600
        for workspace in await self._store.system_read(lambda tx: tx.workspaces.all()):
            # A day of nearly all of them says that no more has to be read.
            if not worth_a_look(await self._store.read(workspace.id, lambda tx: tx.messages.hours(hour - 23))):
                continue
            hours = await self._store.read(workspace.id, lambda tx: tx.messages.hours(hour - HOURS_LOOKED_AT))
            verb = partial(raise_on_returns, workspace=workspace.id, hours=hours, now=now, entropy=self._entropy)
            raised += _logged(await self._store.system_write(verb))
        return raised

    async def forget(self, now: datetime) -> int:
        """Drop what the guard keeps past its time."""
        return await self._store.system_write(lambda tx: tx.guard.forget(now))


def _logged(raised: list[Alert]) -> list[Alert]:
    for alert in raised:
        log.warning("alert_raised", alert=alert.id, rule=alert.rule, severity=alert.severity)
    return raised
