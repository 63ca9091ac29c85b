"""When a backup or a test of one is due, and what is kept no more. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from mailward.core.backup.model import KEY_COPIES_KEPT, Item, Manifest

# A part is written before the manifest that names it: one younger than this may be about to be named.
_UNDER_WAY = timedelta(days=1)
# Each day at the hour of the day before, not a little later: upkeep looks every few minutes.
_SLACK = timedelta(minutes=10)


def due(last: datetime | None, now: datetime, every: timedelta) -> bool:
    """Whether it is time again. A last one in the future (the clock was set back) does not count."""
    return last is None or last > now or now - last >= every - _SLACK


def over(backups: Mapping[str, datetime], now: datetime, keep: timedelta) -> list[str]:
    """Ids of backups past their term, oldest first. The newest stays, however old it is."""
    by_age = sorted(backups, key=lambda id: (backups[id], id))
    return [id for id in by_age[:-1] if now - backups[id] > keep]


def key_copies_over(items: Iterable[Item], now: datetime) -> list[str]:
    """Copies of the data keys past their week. The newest stays: without it nothing opens."""
    by_age = sorted((item.at, item.name) for item in items if item.at is not None)
    return [name for at, name in by_age[:-1] if now - at > KEY_COPIES_KEPT]


def unnamed(parts: Iterable[Item], manifests: Iterable[Manifest], now: datetime) -> list[str]:
    """Parts that no backup names any more, or that one which never ended has left."""
    named = {part.name for manifest in manifests for part in manifest.parts}
    return [p.name for p in parts if p.name not in named and p.at is not None and now - p.at > _UNDER_WAY]
