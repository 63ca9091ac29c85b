"""Message bodies in append-only segment files, as the sealed records of `storage/records.py`.

Each worker has one open segment, preallocated, so that a disk without room says so once
in 64 MiB and not in the middle of a record. A record is durable before the row that names
it commits; what follows the last named record after a crash is garbage that nobody reads.
A segment's id is worker << 32 | number.

A segment holds the bodies of one day, so that it can go when that day's content is over
(`sweep.py`). Its writer holds a lock (flock) on it for as long as it may append.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

from mailward.adapters.storage.records import Body, BodyRef, open_record, record_key, seal_record
from mailward.base.errors import NotFound, Unavailable
from mailward.base.sources import Entropy
from mailward.core.workspaces.model import DataKey

_SEGMENT_BYTES = 64 << 20
# Records of one write: systems take 1,024.
_AT_ONCE = 512


class SegmentWriter:
    """The one open segment of a worker. Used from the writer thread only."""

    def __init__(self, folder: Path, worker: int, entropy: Entropy) -> None:
        self._folder = folder
        self._worker = worker
        self._entropy = entropy
        self._fd = -1
        self._number = self._next_number()
        self._offset = 0
        self._end = 0
        self._day = -1
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _next_number(self) -> int:
        prefix = f"{self._worker:04d}-"
        numbers = (
            [int(p.stem.split("-")[1]) for p in self._folder.glob(prefix + "*.seg")] if self._folder.exists() else []
        )
        return max(numbers, default=0) + 1

    def _open(self, need: int) -> None:
        if self._fd >= 0:
            self.close()
            self._number += 1
        path = self._folder / f"{self._worker:04d}-{self._number:08d}.seg"
        size = max(_SEGMENT_BYTES, need)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            if os.fstat(fd).st_nlink == 0:
                # The sweeper took it for a leftover between its making and its lock.
                self._number += 1
                raise OSError("the new segment was swept away")
            os.posix_fallocate(fd, 0, size)
            os.fsync(fd)
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError:
            os.close(fd)
            path.unlink(missing_ok=True)
            raise
        self._fd, self._offset, self._end = fd, 0, size

    def append(self, bodies: Sequence[Body | bytes]) -> list[BodyRef]:
        """`write`, then `sync`."""
        refs = self.write(bodies)
        self.sync()
        return refs

    @property
    def fd(self) -> int:
        """The open segment, for a sync beside other work."""
        return self._fd

    def write(self, bodies: Sequence[Body | bytes]) -> list[BodyRef]:
        """Append records: sealed ones as they are, others sealed here. Not durable before a sync.

        Raises Unavailable when there is no room (nothing of it will be named by a row).
        """
        records = [body if isinstance(body, bytes) else seal_record(body, self._entropy) for body in bodies]
        total = sum(map(len, records))
        try:
            day = record_key(records[0])[0]
            if self._fd < 0 or self._offset + total > self._end or day != self._day:
                self._open(total)
                self._day = day
            start = self._offset
            _write(self._fd, records, start)
        except OSError as e:
            raise Unavailable(
                "storage_full", "The message could not be stored now; please try again later.", detail=f"segment: {e}"
            ) from e
        self._offset = start + total
        segment = self._worker << 32 | self._number
        refs = []
        for record in records:
            refs.append(BodyRef(segment, start, len(record)))
            start += len(record)
        return refs

    def sync(self) -> None:
        """Make what was written durable.

        A failure propagates as OSError and the caller ends the process: after a failed
        fsync the kernel may have dropped the pages.
        """
        os.fdatasync(self._fd)

    def close(self) -> None:
        """Give back the preallocated rest and close."""
        if self._fd >= 0:
            os.ftruncate(self._fd, self._offset)
            os.close(self._fd)
            self._fd = -1


def _write(fd: int, records: Sequence[bytes], at: int) -> None:
    """As they are, without a copy that holds them all; a call that wrote less than it was given is followed up."""
    for first in range(0, len(records), _AT_ONCE):
        some: Sequence[bytes | memoryview] = records[first : first + _AT_ONCE]
        left = sum(map(len, some))
        while (written := os.pwritev(fd, some, at)) < left:
            some = [memoryview(b"".join(some))[written:]]
            at += written
            left -= written
        at += written


def segment_path(folder: Path, segment: int) -> Path:
    """File of a segment id."""
    return folder / f"{segment >> 32:04d}-{segment & 0xFFFFFFFF:08d}.seg"


def read_record(folder: Path, ref: BodyRef) -> bytes:
    """The sealed record a row names; NotFound when its segment is gone."""
    try:
        with segment_path(folder, ref.segment).open("rb", buffering=0) as f:
            return os.pread(f.fileno(), ref.length, ref.offset)
    except FileNotFoundError as e:
        raise NotFound("content_gone", "The content of this message is no longer kept.", detail=str(e)) from e


__all__ = ["BodyRef", "DataKey", "SegmentWriter", "open_record", "read_record", "record_key", "segment_path"]
