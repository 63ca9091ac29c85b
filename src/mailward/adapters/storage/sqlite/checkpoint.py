"""Moving the write-ahead log into the database file: in the background, and not more often than it has to be.

While the file is synced, commits wait for the disk behind it, the longer the more pages it is. Pages that change often
(indexes, counters) are in the log many times and are written once a checkpoint; so fewer of them write less and leave
fewer moments in which a lone commit is late. How much waits stands in the log's index, which SQLite keeps as a file
(https://www.sqlite.org/walformat.html, section 2.1, in the machine's byte order and never encrypted).
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable
from pathlib import Path

import apsw

from mailward.adapters.storage.sqlite.connection import connect
from mailward.adapters.storage.sqlite.group import end_process

# A checkpoint is due with so many octets in the log, and after so many seconds with anything in it.
_ENOUGH = 16 << 20
_SECONDS = 20.0
_FRAMES_AT, _MOVED_AT, _HEAD = 14, 96, 100


class Checkpointer:
    """One a store. Its connection does nothing else."""

    def __init__(
        self,
        folder: Path,
        key: bytes,
        *,
        truncate_above: int = 256 << 20,
        fatal: Callable[[str], None] = end_process,
    ) -> None:
        self._fatal = fatal
        self._db = connect(folder / "state.db", key, cache_kib=512)
        self._wal = folder / "state.db-wal"
        self._index = folder / "state.db-shm"
        self._truncate_above = truncate_above
        self._since = 0.0

    def due(self, now: float) -> bool:
        """Whether to run, by how much waits and since when. `now` in monotonic seconds."""
        waits = self.waits()
        if waits == 0:
            self._since = now
        return waits != 0 and (waits is None or waits >= _ENOUGH or now >= self._since + _SECONDS)

    def waits(self) -> int | None:
        """Octets in the log that are not in the file yet; None when the index does not say."""
        try:
            with self._index.open("rb") as f:
                head = f.read(_HEAD)
        except OSError:
            return None
        if len(head) < _HEAD:
            return None
        # Two bytes in front of the frames hold the page size, of which 1 stands for 65,536.
        page, frames = struct.unpack_from("=H", head, _FRAMES_AT)[0], struct.unpack_from("=I", head, _FRAMES_AT + 2)[0]
        moved: int = struct.unpack_from("=I", head, _MOVED_AT)[0]
        return max(0, int(frames) - moved) * (65_536 if page == 1 else int(page))

    def run(self) -> int:
        """One checkpoint; returns the WAL's size in bytes afterwards. Blocks: call it in a thread."""
        size = self._wal.stat().st_size if self._wal.exists() else 0
        mode = apsw.SQLITE_CHECKPOINT_PASSIVE if size < self._truncate_above else apsw.SQLITE_CHECKPOINT_TRUNCATE
        with contextlib.suppress(apsw.BusyError):
            try:
                self._db.wal_checkpoint(mode=mode)
            except apsw.IOError as e:
                # The log still has every page; but what a kernel that could not write says next is not to be believed.
                if getattr(e, "extendedresult", 0) in (apsw.SQLITE_IOERR_FSYNC, apsw.SQLITE_IOERR_DIR_FSYNC):
                    self._fatal("checkpoint sync")
                raise
        return self._wal.stat().st_size if self._wal.exists() else 0

    def close(self) -> None:
        """Close the connection."""
        self._db.close()
