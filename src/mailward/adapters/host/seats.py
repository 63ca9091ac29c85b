"""How many connections of a source are open on this machine: counted exactly by all workers together.

A table in a file that each worker maps, as `buckets` has it for rates. An entry belongs to
one source and one worker, so what a worker that was killed had open can be told from what
is open: each worker holds a lock of its own on the file as long as it lives, and an entry
whose owner holds none is nobody's. The file holds no names: a source is found by a keyed hash.

An entry that counts something is written by its owner alone, so while a source is far from
its limit its owner adds and takes away without a lock: between two workers' looks no more
than one connection each can be missed, and half the limit is more than that.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import struct
from collections.abc import Iterator
from pathlib import Path

_SALT = 16
_HEAD = 128
_ENTRY = struct.Struct("<8sII")  # hash of the source, owner, how many
_COUNT = struct.Struct("<I")
_COUNT_AT = 12
_PLACES = 16
_GROUP = _ENTRY.size * _PLACES
_GROUPS = 4096  # 65,536 entries in 1 MiB
_FLOCK = struct.Struct("@hhqqi")  # struct flock of Linux on 64 bits; the padding at its end is added by calcsize below
_FLOCK_SIZE = (_FLOCK.size + 7) // 8 * 8
_OWNERS = 1 << 40
"""Where the bytes lie that owners lock: far behind the end of the file, which a lock need not care about."""


class MachineSeats:
    """Implements `app.arrivals.Seats`. One a process; `close` gives back what it still holds."""

    def __init__(self, path: Path, *, groups: int = _GROUPS) -> None:
        self._groups = groups
        self._mine: dict[str, tuple[int, int, bytes]] = {}  # key: its entry of ours that counts something, group, hash
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        size = _HEAD + groups * _GROUP
        self._lock(fcntl.F_WRLCK, 0, _HEAD)
        try:
            # Allocated, not sparse: a full disk must be an error here and not a signal when a page is touched.
            os.posix_fallocate(self._fd, 0, size)
            self._map = mmap.mmap(self._fd, size)
            if self._map[:_SALT] == bytes(_SALT):
                self._map[:_SALT] = os.urandom(_SALT)
            self._salt = self._map[:_SALT]
            self._owner = self._become()
        finally:
            self._lock(fcntl.F_UNLCK, 0, _HEAD)

    def take(self, key: str, most: int) -> bool:
        """One more of this key, if that makes no more than `most` on this machine.

        True also when the table has no place left for one more source: then whoever asks counts for itself.
        """
        if (mine := self._mine.get(key)) is not None:
            entry, group, name = mine
            if self._of(name, group) < most // 2 - _PLACES:
                self._set(entry, self._count(entry) + 1)
                return True
        name, group = self._name(key)
        self._lock(fcntl.F_WRLCK, group, _GROUP)
        try:
            # Who lives is asked only where it matters: at the limit, and in a full group.
            if self._of(name, group) >= most:
                self._bury(group)
                if self._of(name, group) >= most:
                    return False
            at = self._place(name, group)
            if at is None:
                self._bury(group)
                at = self._place(name, group)
            if at is not None:
                self._set(at, self._count(at) + 1)
                self._mine[key] = at, group, name
            return True
        finally:
            self._lock(fcntl.F_UNLCK, group, _GROUP)

    def leave(self, key: str) -> None:
        """One fewer; once for each take() that was True. One that found no place takes nothing from others."""
        if (mine := self._mine.get(key)) is None:
            return
        at, _, _ = mine
        left = self._count(at) - 1
        if left <= 0:
            # From here on it is anybody's.
            del self._mine[key]
        self._set(at, left)

    def close(self) -> None:
        """Let go of the file; what this process had open counts no more."""
        self._map.close()
        os.close(self._fd)

    # -- the table ------------------------------------------------------------------------------

    def _name(self, key: str) -> tuple[bytes, int]:
        # The salt keeps anybody from choosing addresses that meet in one group.
        name = hashlib.blake2b(key.encode(), digest_size=12, key=self._salt).digest()
        return name[:8], _HEAD + int.from_bytes(name[8:], "big") % self._groups * _GROUP

    def _entries(self, group: int) -> Iterator[tuple[int, bytes, int, int]]:
        for at in range(group, group + _GROUP, _ENTRY.size):
            name, owner, count = _ENTRY.unpack_from(self._map, at)
            yield at, name, owner, count

    def _of(self, name: bytes, group: int) -> int:
        found = 0
        for there, _, count in _ENTRY.iter_unpack(self._map[group : group + _GROUP]):
            if there == name:
                found += count
        return found

    def _count(self, at: int) -> int:
        count: int = _COUNT.unpack_from(self._map, at + _COUNT_AT)[0]
        return count

    def _set(self, at: int, count: int) -> None:
        # Four aligned octets are written at once: nobody sees half a number.
        _COUNT.pack_into(self._map, at + _COUNT_AT, count)

    def _place(self, name: bytes, group: int) -> int | None:
        """Where this process counts this source: its own entry, else a free one; None in a full group."""
        free = None
        for at, there, owner, count in self._entries(group):
            if there == name and owner == self._owner:
                return at
            if not count and free is None:
                free = at
        if free is not None:
            _ENTRY.pack_into(self._map, free, name, self._owner, 0)
        return free

    def _bury(self, group: int) -> None:
        """Strike what workers had open that are no more."""
        for at, name, owner, count in self._entries(group):
            if count and owner != self._owner and not self._lives(owner):
                _ENTRY.pack_into(self._map, at, name, owner, 0)

    # -- owners ---------------------------------------------------------------------------------

    def _become(self) -> int:
        """A number that nobody who lives has, locked for as long as this file is open here."""
        while True:
            owner = int.from_bytes(os.urandom(4), "big")
            if not self._lives(owner):
                self._lock(fcntl.F_WRLCK, _OWNERS + owner, 1)
                return owner

    def _lives(self, owner: int) -> bool:
        asked = self._flock(fcntl.F_WRLCK, _OWNERS + owner, 1)
        answer = fcntl.fcntl(self._fd, fcntl.F_OFD_GETLK, asked)
        return bool(_FLOCK.unpack_from(answer)[0] != fcntl.F_UNLCK)

    def _lock(self, kind: int, start: int, length: int) -> None:
        # Locks of the open file, not of the process: they end when its last descriptor does, and with no other.
        fcntl.fcntl(self._fd, fcntl.F_OFD_SETLKW, self._flock(kind, start, length))

    @staticmethod
    def _flock(kind: int, start: int, length: int) -> bytes:
        return _FLOCK.pack(kind, os.SEEK_SET, start, length, 0).ljust(_FLOCK_SIZE, b"\0")
