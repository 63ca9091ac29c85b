"""What a worker is working on right now, where its successor finds it after a crash.

A page in a file that the worker maps: written by ordinary memory stores, it outlives the process, however that ends.
Only the work that runs without a pause is noted, so what stands there when a worker dies is what it died of, and not
the thousand others that waited for the network at the time.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import NamedTuple

_HEAD = struct.Struct("<Q")  # the generation whose page it is
_ENTRY = struct.Struct("<B16s16s")
# One for the event loop and some for threads; whoever finds none free goes unnoted.
_PLACES = 64
_SIZE = 4096

SENDING, HANDING = 1, 2


class Held(NamedTuple):
    """One message: `kind` is SENDING or HANDING."""

    kind: int
    workspace: bytes
    message: bytes


class InHand:
    """The page of one worker slot. One a process; `left` before the first `holding`."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # Allocated, not sparse: a full disk must be an error here and not a signal when the page is touched.
            os.posix_fallocate(fd, 0, _SIZE)
            self._page = mmap.mmap(fd, _SIZE)
        finally:
            os.close(fd)
        self._free = list(range(_PLACES))
        self._lock = Lock()

    def left(self) -> tuple[int, list[Held]]:
        """The generation that had this page before, and what it was working on when it died."""
        (generation,) = _HEAD.unpack_from(self._page, 0)
        found = []
        for place in range(_PLACES):
            kind, workspace, message = _ENTRY.unpack_from(self._page, _HEAD.size + place * _ENTRY.size)
            if kind in (SENDING, HANDING):
                found.append(Held(kind, workspace, message))
        return generation, found

    def begin(self, generation: int) -> None:
        """An empty page, of this generation."""
        self._page[:] = bytes(_SIZE)
        _HEAD.pack_into(self._page, 0, generation)

    @contextmanager
    def holding(self, kind: int, workspace: bytes, message: bytes) -> Iterator[None]:
        """Note that this message is worked on, for as long as the block runs; the block awaits nothing."""
        with self._lock:
            place = self._free.pop() if self._free else None
        if place is None:
            yield
            return
        at = _HEAD.size + place * _ENTRY.size
        _ENTRY.pack_into(self._page, at, kind, workspace, message)
        try:
            yield
        finally:
            self._page[at] = 0
            with self._lock:
                self._free.append(place)

    def close(self) -> None:
        """Let go of the page."""
        self._page.close()
