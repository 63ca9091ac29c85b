"""The database's file and log as they lie on the disk, read as one state while the platform writes.

Nothing is decrypted: pages and frames are copied as ciphertext, and a page is known to have
changed by its octets. A read transaction is held meanwhile. So a checkpoint moves no frame
into the file that the log no longer has, and the log does not begin again; where it was
all moved before, its salts tell whether it did, and then everything is read once more.
"""

from __future__ import annotations

import hashlib
import shutil
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import apsw

from mailward.adapters.storage.backup.reading import open_copy, take_keys
from mailward.adapters.storage.records import HEAD, read_head
from mailward.adapters.storage.sqlite.connection import PAGE_SIZE, connect
from mailward.base.errors import Unavailable

_TRIES = 5
_TICK_NS = 1_000_000_000
_BATCH = 4096
_DIGEST = 12
_HEAD, _FRAME = 32, 24 + PAGE_SIZE
# The first copy of the index's header (https://www.sqlite.org/walformat.html, 2.2), as the machine has it; a second one
# follows, and the two agree when nobody is just writing them.
_INDEX = struct.Struct("=16xI12x8s8x")
_PAGE = struct.Struct(">I")


class Log(NamedTuple):
    """How much of the write-ahead log is committed, and what tells it from the log before."""

    salt: bytes
    octets: int


@contextmanager
def still(data: Path, key: bytes) -> Iterator[tuple[apsw.Connection, Log]]:
    """Hold the state of now: the log as it is, and a file that changes meanwhile only by what the log holds. Blocks."""
    db = connect(data / "state.db", key)
    try:
        db.execute("BEGIN")
        db.execute("SELECT count(*) FROM counters").fetchall()
        yield db, _log(data)
        db.execute("COMMIT")
    finally:
        db.close()


def _log(data: Path) -> Log:
    index = data / "state.db-shm"
    for _ in range(_TRIES):
        with index.open("rb") as f:
            octets = f.read(2 * _INDEX.size)
        if len(octets) == 2 * _INDEX.size and octets[: _INDEX.size] == octets[_INDEX.size :]:
            frames, salt = _INDEX.unpack_from(octets)
            return Log(salt, _HEAD + frames * _FRAME if frames else 0)
    raise Unavailable("data_unavailable", "The store's log cannot be read.", detail="its index is being written")


def log_pieces(data: Path, log: Log, after: int) -> Iterator[bytes]:
    """The committed log behind an offset. Unavailable when it began again meanwhile: look anew."""
    left = log.octets - after
    with (data / "state.db-wal").open("rb") as f:
        if f.read(_HEAD)[16:24] != log.salt:
            raise _began_again()
        f.seek(after)
        while left > 0 and (piece := f.read(min(1 << 20, left))):
            left -= len(piece)
            yield piece
        f.seek(0)
        if left or f.read(_HEAD)[16:24] != log.salt:
            raise _began_again()


def _began_again() -> Unavailable:
    return Unavailable("data_unavailable", "The store's log began again.", detail="while it was copied")


class Pages:
    """Which pages of the file are not those of the last time. `known` are the digests of then, one behind the other."""

    def __init__(self, path: Path, known: bytes) -> None:
        self._path = path
        self._known = known
        self.digests = bytearray()
        self.size = 0

    def changed(self) -> Iterator[bytes]:
        """Each as number (4 octets, from 0) and content. Read to its end, `digests` and `size` are those of now."""
        self.digests, self.size, number = bytearray(), 0, 0
        with self._path.open("rb") as f:
            while batch := f.read(_BATCH * PAGE_SIZE):
                out = bytearray()
                for at in range(0, len(batch), PAGE_SIZE):
                    page = batch[at : at + PAGE_SIZE]
                    digest = hashlib.blake2b(page, digest_size=_DIGEST).digest()
                    self.digests += digest
                    if self._known[number * _DIGEST : (number + 1) * _DIGEST] != digest:
                        out += _PAGE.pack(number) + page
                    number += 1
                self.size += len(batch)
                if out:
                    yield bytes(out)


def lay_over(file: Path, changed: Path) -> None:
    """Put pages that changed into a file."""
    size = _PAGE.size + PAGE_SIZE
    with file.open("r+b") as target, changed.open("rb") as source:
        while record := source.read(size):
            (number,) = _PAGE.unpack_from(record)
            target.seek(number * PAGE_SIZE)
            target.write(record[_PAGE.size :])


def append(target: Path, piece: Path) -> None:
    """Put a piece behind what a file holds."""
    with target.open("ab") as to, piece.open("rb") as source:
        shutil.copyfileobj(source, to)


def settle_log(file: Path, size: int, key: bytes) -> None:
    """Make one file of a database put together and the log beside it, without data keys. Unavailable for a wrong key.

    SQLite does as after a crash: frames of the log count up to the last commit, each by its checksum.
    """
    with file.open("r+b") as f:
        f.truncate(size)
    db = connect(file, key)
    try:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        db.close()
    db = open_copy(file, key)
    try:
        take_keys(db)
    finally:
        db.close()


def records_end(segment: Path, after: int) -> int:
    """Where the last record of a segment ends, walking on from the end of one. The rest is room, or unfinished."""
    with segment.open("rb") as f:
        size = f.seek(0, 2)
        while True:
            f.seek(after)
            head = read_head(f.read(HEAD))
            if head is None or after + head.length > size:
                return after
            after += head.length


def span(path: Path, start: int, end: int) -> Iterator[bytes]:
    """A part of a file."""
    with path.open("rb") as f:
        f.seek(start)
        while start < end and (piece := f.read(min(1 << 20, end - start))):
            start += len(piece)
            yield piece


def changed_at(path: Path) -> tuple[int, int]:
    """(octets, when it was changed in nanoseconds) of a file; 0 for just now: a tick of the clock hides more."""
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns if time.time_ns() - stat.st_mtime_ns > _TICK_NS else 0


def digest_of(path: Path, start: int, end: int) -> str:
    """Hex SHA-256 of that."""
    digest = hashlib.sha256()
    for piece in span(path, start, end):
        digest.update(piece)
    return digest.hexdigest()
