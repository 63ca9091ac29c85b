"""Who goes on: each worker and the committing process leave signs in a page that the supervisor reads.

A process that died is noticed by the kernel. One that hangs (stopped, caught in a loop, waiting for what never comes)
keeps its connections open and answers none of them, holds its leases and its locks, and looks alive. So each counts up
in a place of its own once a second, and one that has not for `server.hung_seconds` is killed: its successor finds its
leases, and nothing of it had been acknowledged.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import struct

_COUNT = struct.Struct("=Q")
_PLACES = 4096
# Between two looks of a supervisor that was itself not running: whoever it watches was not, either.
_GAP_SECONDS = 5.0
BEAT_SECONDS = 1.0


class Sign:
    """A process's own side: `fd` is inherited, `place` its own."""

    def __init__(self, fd: int, place: int) -> None:
        self._page = mmap.mmap(fd, _PLACES * _COUNT.size)
        self._at = place * _COUNT.size

    def beat(self) -> None:
        """Going on."""
        (count,) = _COUNT.unpack_from(self._page, self._at)
        _COUNT.pack_into(self._page, self._at, (count + 1) % 2**64)

    def keep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Beat as long as the loop turns."""
        self.beat()
        loop.call_later(BEAT_SECONDS, self.keep, loop)


class Watchdog:
    """The supervisor's side. Times are a steady clock's seconds; `seconds` 0 watches nobody."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.fd = os.memfd_create("mailward-signs")
        os.ftruncate(self.fd, _PLACES * _COUNT.size)
        self._page = mmap.mmap(self.fd, _PLACES * _COUNT.size)
        # Of each place: the process there, its last count, when that was seen first, and whether it has ever counted.
        self._seen: dict[int, tuple[int, int, float, bool]] = {}
        self._looked: float | None = None

    def look(self, now: float) -> None:
        """Say that the supervisor goes on, before it asks about others."""
        if self._looked is not None and now - self._looked > _GAP_SECONDS:
            self._seen = {place: (pid, count, now, ever) for place, (pid, count, _, ever) in self._seen.items()}
        self._looked = now

    def hung(self, place: int, pid: int, now: float) -> bool:
        """Whether this process gave signs and then none for too long. One that still starts is not judged."""
        (count,) = _COUNT.unpack_from(self._page, place * _COUNT.size)
        before = self._seen.get(place)
        if before is None or before[0] != pid:
            self._seen[place] = (pid, count, now, False)
            return False
        if before[1] != count:
            self._seen[place] = (pid, count, now, True)
            return False
        if not self._seconds or not before[3] or now - before[2] <= self._seconds:
            return False
        self._seen[place] = (pid, count, now, True)  # asked again, it has as long again
        return True

    def goes_on(self, place: int, pid: int) -> bool:
        """Whether `hung` has seen this process give a sign: it has started."""
        seen = self._seen.get(place)
        return seen is not None and seen[0] == pid and seen[3]

    def close(self) -> None:
        """Give the page back."""
        self._page.close()
        os.close(self.fd)
