"""What is told of backups and of tests of restoring, on every store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mailward.app.store import Store
from mailward.base import ids
from mailward.base.ids import WorkspaceId
from mailward.core.backup.model import Backup, Trial
from mailward.core.backup.note import note_backup, note_gone, note_test
from mailward.policy.access import Actor

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
ACTOR = Actor(WorkspaceId(""), "system", "backup")


class Counting:
    """Entropy that never repeats."""

    def __init__(self) -> None:
        self._n = 0

    def bytes(self, n: int) -> bytes:
        self._n += 1
        return self._n.to_bytes(n, "big")


def backup(entropy: Counting, at: datetime, *keys: int) -> Backup:
    return Backup(
        id=ids.new("bak", at, entropy), at=at, rows=12, size=3000, written=200, seconds=1.5, keys=keys or (1,)
    )


@pytest.mark.claim("AVAIL-5")
async def test_the_newest_backup_that_is_kept_is_told(store: Store) -> None:
    """Backups are told newest first until they are removed, each with the key versions it needs."""
    entropy = Counting()
    first, second = backup(entropy, NOW, 1, 2), backup(entropy, NOW + timedelta(days=1))
    for made in (first, second):
        await store.system_write(lambda tx, m=made: note_backup(tx, ACTOR, m, b"manifest", now=m.at))  # type: ignore[misc]
    assert await store.system_read(lambda tx: tx.backups.newest()) == second
    assert await store.system_read(lambda tx: tx.backups.kept()) == [second, first]
    await store.system_write(lambda tx: note_gone(tx, ACTOR, [second.id], now=NOW))
    assert await store.system_read(lambda tx: tx.backups.kept()) == [first]


@pytest.mark.claim("AVAIL-6")
async def test_a_failed_test_of_restoring_alerts_once_in_six_hours(store: Store) -> None:
    """What it found is kept, newest first; the alert names the backup; a good test raises none."""
    entropy = Counting()
    about = ids.new("bak", NOW, entropy)

    def trial(at: datetime, *faults: str) -> Trial:
        return Trial(
            id=ids.new("rst", at, entropy), backup=about, at=at, seconds=2.0, point_seconds=60.0, faults=faults,
            bad=("parts/x",) if faults else (),
        )  # fmt: skip

    raised = []
    for hours, faults in ((0, ()), (1, ("a chunk",)), (2, ("a chunk",)), (8, ("a chunk",))):
        test = trial(NOW + timedelta(hours=hours), *faults)
        alert = await store.system_write(
            lambda tx, t=test: note_test(tx, ACTOR, t, now=t.at, entropy=entropy)  # type: ignore[misc]
        )
        raised.append(alert is not None)
    assert raised == [False, True, False, True]
    newest = (await store.system_read(lambda tx: tx.backups.tests(2)))[0]
    assert (newest.faults, newest.bad, newest.good) == (("a chunk",), ("parts/x",), False)
    alerts = await store.system_read(lambda tx: tx.guard.alerts(before=None, limit=10))
    assert [(a.rule, a.subject) for a in alerts] == [("backup-unusable", about)] * 2
