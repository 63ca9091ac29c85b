"""What a server costs, read from /proc: CPU of its process tree, and its memory."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

# Workers that ask a server for work, and the server that answers, are never as quiet as a file is.
_REST_WITH_DATABASE = 0.1

_TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text[text.rindex(")") + 2 :].split()


def tree(roots: Iterable[int]) -> set[int]:
    """The processes given and all that descend from them."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := _stat(int(name))):
            children.setdefault(int(fields[1]), []).append(int(name))
    found: set[int] = set()
    todo = list(roots)
    while todo:
        pid = todo.pop()
        if pid not in found:
            found.add(pid)
            todo += children.get(pid, [])
    return found


def cpu_seconds(roots: Iterable[int]) -> float:
    """User and system time of the tree, children that have ended included (their parent carries it on)."""
    total = 0
    for pid in tree(roots):
        if fields := _stat(pid):
            total += sum(int(f) for f in fields[11:15])
    return total / _TICK


def resident_bytes(roots: Iterable[int]) -> int:
    """Proportional set size of the tree: shared pages are counted once."""
    total = 0
    for pid in tree(roots):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def settle_cpu(roots: Callable[[], list[int]], seconds: float = 15.0, rest: float = 0.02) -> float:
    """CPU once the work left over from a load is done: two readings half a second apart that differ by under `rest`."""
    end = time.monotonic() + seconds
    before = cpu_seconds(roots())
    while time.monotonic() < end:
        time.sleep(0.5)
        now = cpu_seconds(roots())
        if now - before < rest:
            return now
        before = now
    return before


@dataclass(frozen=True)
class Spent:
    """Seconds of CPU: of everything, and of it the database's; None where there is no database apart."""

    all: float
    database: float | None = None

    def __sub__(self, earlier: Spent) -> Spent:
        both = self.database is not None and earlier.database is not None
        return Spent(self.all - earlier.all, (self.database or 0) - (earlier.database or 0) if both else None)


class Metered(Protocol):
    """What has a cost: its own processes, and those of its database."""

    def roots(self) -> list[int]:
        """Processes whose trees are its own cost."""

    def database(self) -> list[int]:
        """Processes whose trees are the cost of its database; none when it has no such thing."""


def settled(server: Metered, seconds: float = 15.0) -> Spent:
    """What a server and its database have spent once both are at rest."""
    own = server.database()
    total = settle_cpu(lambda: server.roots() + own, seconds, _REST_WITH_DATABASE if own else 0.02)
    return Spent(total, cpu_seconds(own) if own else None)


class Peak:
    """Samples the memory of a tree once a second while a load runs. `bytes` is the highest seen."""

    def __init__(self, roots: Callable[[], list[int]]) -> None:
        self._roots = roots
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.bytes = 0

    def _run(self) -> None:
        while True:
            self.bytes = max(self.bytes, resident_bytes(self._roots()))
            if self._over.wait(1.0):
                return

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(5)
        self.bytes = max(self.bytes, resident_bytes(self._roots()))
