"""A place for a data folder that can be filled up and emptied again."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from tests.scenarios.apart import Apart


class Room(Protocol):
    """`data` is where the data folder goes; `fill` leaves no room for anything to grow, `free` gives it back."""

    data: Path

    def fill(self, platform: Apart) -> None: ...

    def free(self, platform: Apart) -> None: ...


class TmpfsRoom:
    """A small file system of its own, filled with a file: the real ENOSPC."""

    def __init__(self, mount: Path) -> None:
        self.data = mount / "data"
        self._filler = mount / "filler"

    def fill(self, platform: Apart) -> None:
        """Take every block."""
        with self._filler.open("wb", buffering=0) as f, contextlib.suppress(OSError):
            while True:
                f.write(bytes(1 << 20))
        with self._filler.open("ab", buffering=0) as f, contextlib.suppress(OSError):
            while True:
                f.write(bytes(512))

    def free(self, platform: Apart) -> None:
        """Give it all back."""
        self._filler.unlink()


class LimitRoom:
    """Where nothing may be mounted: the processes may not make a file larger than the largest there is (EFBIG)."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"

    def fill(self, platform: Apart) -> None:
        """No write beyond what exists."""
        wal = self.data / "state.db-wal"
        self._limit(platform, wal.stat().st_size)

    def free(self, platform: Apart) -> None:
        """Any size again."""
        self._limit(platform, resource.RLIM_INFINITY)

    def _limit(self, platform: Apart, size: int) -> None:
        for name in platform.parts:
            for pid in platform.children(name):
                hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))


@contextlib.contextmanager
def small_room(megabytes: int) -> Iterator[Room]:
    """A tmpfs of that size; where mounting is forbidden, a limit on the size of files instead."""
    folder = Path(tempfile.mkdtemp(prefix="mw-room-"))
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "mailward-test", str(folder)],
            capture_output=True,
            check=False,
        ).returncode
    )
    try:
        yield TmpfsRoom(folder) if mounted else LimitRoom(folder)
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)
        subprocess.run(["rm", "-rf", str(folder)], check=True)
