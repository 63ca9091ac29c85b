"""Minutes are counted once, an outage spends the budget by exactly its minutes, and alerts follow the windows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mailward.app.store import Store
from mailward.base.errors import Forbidden
from mailward.base.ids import WorkspaceId
from mailward.core.availability.budget import bad_minutes, budget, burning, month_of
from mailward.core.availability.model import Minute, Outage
from mailward.core.availability.record import Counted, post, record, update
from mailward.policy.access import Actor, Role
from tests.conftest import SeededEntropy
from tests.core.conftest import WS_ID

pytestmark = pytest.mark.claim("AVAIL-2")

NOW = datetime(2026, 4, 10, 12, 0, tzinfo=UTC)
FIRST = int(NOW.timestamp()) // 60
OPERATOR = Actor(WorkspaceId(""), "cli", "cli")


async def measure(store: Store, minute: int, *, api: bool = True, submission: bool = True) -> Counted:
    return await store.system_write(lambda tx: record(tx, Minute(minute, api, submission, None)))


async def test_an_outage_spends_the_budget_by_its_minutes(store: Store) -> None:
    """Seven minutes without the API out of thirty: seven of April's 43.2 are spent, and one outage names the door."""
    for n in range(30):
        await measure(store, FIRST + n, api=not 10 <= n < 17)
    days = await store.system_read(lambda tx: tx.availability.days(0))
    outages = await store.system_read(lambda tx: tx.availability.outages(0))
    found = budget(days, month_of(NOW), 0.999)
    assert (found.minutes, found.spent, found.measured, found.share) == (43200, 7, 30, 23 / 30)
    assert found.left == pytest.approx(36.2)
    assert outages == [Outage(FIRST + 10, FIRST + 17, "api")]
    assert (days[0].api, days[0].submission) == (23, 30)


async def test_a_minute_counts_once(store: Store) -> None:
    """Whoever measures it again, as after a change of leader, changes nothing."""
    assert (await measure(store, FIRST)).new
    assert not (await measure(store, FIRST, api=False)).new
    assert not (await measure(store, FIRST - 5)).new
    assert [d.good for d in await store.system_read(lambda tx: tx.availability.days(0))] == [1]


async def test_minutes_in_which_nothing_ran_are_bad(store: Store) -> None:
    """A platform that was down from 12:01 to 12:10 of the next day lost every minute between, over both days."""
    await measure(store, FIRST)
    counted = await measure(store, FIRST + 1450)
    assert counted == Counted(True, 1449)
    days = await store.system_read(lambda tx: tx.availability.days(0))
    assert [(d.measured, d.good) for d in days] == [(720, 1), (731, 1)]
    assert budget(days, month_of(NOW), 0.999).spent == 1449
    assert await store.system_read(lambda tx: tx.availability.outages(0)) == [Outage(FIRST + 1, FIRST + 1450, "all")]


def test_a_fast_burn_alerts_and_ends_with_the_outage() -> None:
    """At 99.9 %, one bad minute in an hour is a rate of 16.7: alert while it goes on, silence five minutes later."""
    outage = [Outage(FIRST, FIRST + 1, "api")]
    assert [r.name for r in burning(outage, FIRST, 0.999)] == ["fast"]
    assert burning(outage, FIRST + 5, 0.999) == []
    slow = [Outage(FIRST - 300, FIRST - 298, "mx"), Outage(FIRST - 10, FIRST - 9, "mx")]
    assert [r.name for r in burning(slow, FIRST, 0.999)] == ["slow"]
    assert burning([], FIRST, 0.999) == []


def test_windows_cut_outages() -> None:
    """Only the minutes inside a window count."""
    assert bad_minutes([Outage(0, 100, "all"), Outage(150, 151, "mx")], 90, 151) == 11


@pytest.mark.parametrize(("when", "days"), [(datetime(2024, 2, 29, 23, 59, tzinfo=UTC), 29), (NOW, 30)])
def test_a_month_is_the_calendars(when: datetime, days: int) -> None:
    """February of a leap year has 29 days, and the budget is of the month's own length."""
    first, following = month_of(when)
    assert following - first == days


async def test_operators_post_and_others_do_not(store: Store, entropy: SeededEntropy) -> None:
    """A workspace's manager holds every permission there is and still says nothing on the installation's page."""
    manager = Actor(WorkspaceId(WS_ID), "session", "usr_x", role=Role.MANAGER)
    with pytest.raises(Forbidden):
        await store.system_write(lambda tx: post(tx, manager, "T", "t", now=NOW, entropy=entropy))
    made = await store.system_write(lambda tx: post(tx, OPERATOR, "Slow", "We look.", now=NOW, entropy=entropy))
    later = NOW + timedelta(hours=1)
    await store.system_write(lambda tx: update(tx, OPERATOR, made.id, "Over.", ended=True, now=later))
    (shown,) = await store.system_read(lambda tx: tx.availability.posts(10))
    assert (shown.ended, [t for _, t in shown.updates]) == (later, ["We look.", "Over."])
