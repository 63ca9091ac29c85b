"""The buckets of one machine: one quota for all of its processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest

from mailward.adapters.host.buckets import MachineBuckets
from mailward.policy.gcra import Rate
from tests.conftest import MovingClock

pytestmark = pytest.mark.claim("RATE-1")

RATE = Rate("send", 100, 60.0)


def _steady() -> float:
    return 5000.0


def _spend(path: str, tries: int, out: multiprocessing.SimpleQueue[int]) -> None:
    buckets = MachineBuckets(Path(path), _steady)
    out.put(sum(buckets.spend("ws_a", RATE).allowed for _ in range(tries)))


def test_processes_get_the_quota_together(tmp_path: Path) -> None:
    """Three processes that try 80 each at the same moment get 100 together, not one more or fewer."""
    context = multiprocessing.get_context("fork")
    out: multiprocessing.SimpleQueue[int] = context.SimpleQueue()
    path = str(tmp_path / "rates")
    workers = [context.Process(target=_spend, args=(path, 80, out)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sum(out.get() for _ in workers) == 100


@pytest.fixture
def make(tmp_path: Path, clock: MovingClock) -> Callable[..., MachineBuckets]:
    return lambda **more: MachineBuckets(tmp_path / "rates", clock.monotonic, **more)


def test_a_bucket_fills_again_and_others_are_not_touched(
    make: Callable[..., MachineBuckets], clock: MovingClock
) -> None:
    """What is used up comes back with time; another key, and the same key of another rate, have their own."""
    buckets = make()
    assert [buckets.spend("a", RATE).allowed for _ in range(101)] == [True] * 100 + [False]
    assert buckets.spend("b", RATE).remaining == 99
    assert buckets.spend("a", Rate("read", 100, 60.0)).allowed
    clock.move(seconds=6)
    assert sum(buckets.spend("a", RATE).allowed for _ in range(20)) == 10
    buckets.give_back("a", RATE, 5)
    assert sum(buckets.spend("a", RATE).allowed for _ in range(20)) == 5


def test_a_restart_forgets_nothing_and_a_reboot_does(make: Callable[..., MachineBuckets], clock: MovingClock) -> None:
    """Another process on the same file goes on; times of an earlier boot, far ahead of this clock, mean nothing."""
    first = make()
    assert all(first.spend("a", RATE).allowed for _ in range(100))
    first.close()
    assert not make().spend("a", RATE).allowed
    clock.move(seconds=-900)
    assert make().spend("a", RATE).remaining == 99


def test_a_crowd_of_keys_does_not_grow_the_table(make: Callable[..., MachineBuckets]) -> None:
    """In a full table whoever is nearest to a full bucket is forgotten; who is at the limit is remembered longest."""
    buckets = make(groups=1)
    while buckets.spend("flood", RATE).allowed:
        pass
    for n in range(500):
        assert buckets.spend(f"k{n}", RATE).allowed
    assert not buckets.spend("flood", RATE).allowed


def test_the_file_names_nobody(make: Callable[..., MachineBuckets], tmp_path: Path) -> None:
    """Addresses that are counted are not to be found in the file, which nobody else may read."""
    make().spend("192.0.2.77", RATE)
    path = tmp_path / "rates"
    assert b"192.0.2.77" not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_large_quota_is_drawn_in_portions(make: Callable[..., MachineBuckets], clock: MovingClock) -> None:
    """One worker alone gets the whole quota and no more; of several, each may hold back a thousandth at the end."""
    large = Rate("send", 20_000, 60.0)
    alone = make()
    assert sum(alone.spend("a", large).allowed for _ in range(20_100)) == 20_000
    clock.move(seconds=60)
    others = [make() for _ in range(3)]
    got = sum(worker.spend("b", large).allowed for _ in range(6_700) for worker in others)
    assert 20_000 - 3 * 20 <= got <= 20_000
    # What was given back is there again, and what was held for longer than a window counts no more.
    alone.give_back("a", large, 3)
    assert alone.spend("a", large).allowed
    clock.move(seconds=61)
    assert sum(worker.spend("b", large).allowed for _ in range(6_700) for worker in others) <= 20_000
