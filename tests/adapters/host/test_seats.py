"""Connections at once: one number for all workers of a machine, and none is lost to a worker that was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mailward.adapters.host.seats import MachineSeats
from mailward.app.arrivals import Arrivals
from mailward.base.errors import LimitReached
from mailward.edges.web.limits import LocalLimiter
from mailward.policy.gcra import Rate

pytestmark = pytest.mark.claim("RATE-2")

_TAKER = """
import sys
from pathlib import Path
from mailward.adapters.host.seats import MachineSeats
seats = MachineSeats(Path(sys.argv[1]))
print(sum(seats.take("a", 100) for _ in range(int(sys.argv[2]))), flush=True)
sys.stdin.read()
"""


@contextmanager
def _worker(path: Path, tries: int) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process that takes what it gets and keeps it until it is ended."""
    args = [sys.executable, "-c", _TAKER, str(path), str(tries)]
    with subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, int(process.stdout.readline())
        process.kill()


def test_workers_get_the_number_together_and_a_killed_one_gives_its_own_back(tmp_path: Path) -> None:
    """Two processes that try 80 each get 100 together; once one is killed with -9 the other sources' share is free."""
    path = tmp_path / "connections"
    with _worker(path, 80) as (one, first), _worker(path, 80) as (_, second):
        assert (first, second) == (80, 20)
        here = MachineSeats(path)
        assert not here.take("a", 100)
        assert here.take("b", 1)
        assert not here.take("b", 1)
        os.kill(one.pid, signal.SIGKILL)
        one.wait()
        assert sum(here.take("a", 100) for _ in range(100)) == 80


def test_two_doors_of_two_workers(tmp_path: Path) -> None:
    """A source's connections at two workers count together, at each door; who is refused has used nothing up, and who
    leaves makes room at the other."""
    path, rate = tmp_path / "connections", Rate("c", 4, 60)

    def worker(door: str) -> Arrivals:
        budgets = LocalLimiter(lambda: 0.0)
        return Arrivals(budgets, at_once=99, at_once_ip=3, rate=rate, seats=MachineSeats(path), door=door)

    one, two, mx = worker("submission"), worker("submission"), worker("mx")
    one.opened("2001:db8::1")
    one.opened("2001:db8::2")
    two.opened("2001:db8::3")
    for _ in range(9):
        for arrivals in (one, two):
            with pytest.raises(LimitReached, match="Too many connections from your address"):
                arrivals.opened("2001:db8::4")
    mx.opened("2001:db8::5")
    two.opened("192.0.2.1")
    one.closed("2001:db8::1")
    two.opened("2001:db8::4")
    with pytest.raises(LimitReached):
        one.opened("2001:db8::1")


def test_a_full_table_leaves_counting_to_each_worker(tmp_path: Path) -> None:
    """Where no place is left for one more source its connections are let in, and those that are counted stay so."""
    seats = MachineSeats(tmp_path / "connections", groups=1)
    assert all(seats.take(f"k{n}", 1) for n in range(16))
    assert seats.take("one more", 1) and seats.take("one more", 1)
    seats.leave("one more")
    assert not any(seats.take(f"k{n}", 1) for n in range(16))
    seats.leave("k3")
    assert seats.take("k3", 1)


def test_the_file_names_nobody(tmp_path: Path) -> None:
    """Addresses that are counted are not to be found in the file, which nobody else may read; a start forgets them."""
    path = tmp_path / "connections"
    seats = MachineSeats(path)
    seats.take("192.0.2.77", 1)
    assert b"192.0.2.77" not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    seats.close()
    assert MachineSeats(path).take("192.0.2.77", 1)
