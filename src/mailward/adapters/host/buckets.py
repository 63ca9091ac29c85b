"""Rates that all workers of one machine draw from: a table of buckets in a file that each of them maps.

A request of any worker costs a look into memory, and what one worker allowed every other
knows at once: a quota of N is N on this machine, however many workers it has. The file
holds no names: a bucket is found by a keyed hash. It survives a restart of a worker or
of all of them; a reboot empties it, as the steady clock begins anew.

Of a large quota a worker draws a thousandth at a time, while the bucket is far from empty,
and spends it without a look at the table: locking is two system calls. Near the limit it
counts one by one again; what others then still hold is the error, a thousandth a worker.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import struct
from collections.abc import Callable
from pathlib import Path

from mailward.policy.gcra import Decision, Rate, decide

_SALT = 16
_HEAD = 128
_SLOT = struct.Struct("<8sd")
_PLACES = 8
_GROUP = _SLOT.size * _PLACES
_GROUPS = 8192  # 65,536 buckets in 1 MiB
_PORTIONS = 1000  # of a quota
_FAR = 10  # portions left in the bucket: so many must be there for one to be drawn
_MOST_HELD = 4096


class _Held:
    """A portion that was drawn: how much of it is left, and how the bucket stood and until when that may count."""

    __slots__ = ("left", "remaining", "reset", "until")

    def __init__(self, left: int, remaining: int, reset: float, until: float) -> None:
        self.left, self.remaining, self.reset, self.until = left, remaining, reset, until


class MachineBuckets:
    """Implements `app.budgets.Budgets`. One a process; `monotonic` is the machine's steady clock in seconds."""

    def __init__(self, path: Path, monotonic: Callable[[], float], *, groups: int = _GROUPS) -> None:
        self._monotonic = monotonic
        self._groups = groups
        self._held: dict[tuple[str, str], _Held] = {}
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        size = _HEAD + groups * _GROUP
        fcntl.lockf(self._fd, fcntl.LOCK_EX, _HEAD, 0)
        try:
            # Allocated, not sparse: a full disk must be an error here and not a signal when a page is touched.
            os.posix_fallocate(self._fd, 0, size)
            self._map = mmap.mmap(self._fd, size)
            if self._map[:_SALT] == bytes(_SALT):
                self._map[:_SALT] = os.urandom(_SALT)
            self._salt = self._map[:_SALT]
        finally:
            fcntl.lockf(self._fd, fcntl.LOCK_UN, _HEAD, 0)

    def spend(self, key: str, rate: Rate, cost: int = 1) -> Decision:
        """Draw `cost` from the bucket of this key and rate, or say when it would pass."""
        held = self._held.get((rate.name, key))
        if held is not None and held.left >= cost and self._monotonic() < held.until:
            held.left -= cost
            return Decision(True, held.remaining + held.left, held.reset, 0.0)
        name, group = self._name(key, rate)
        fcntl.lockf(self._fd, fcntl.LOCK_EX, _GROUP, group)
        try:
            now = self._monotonic()
            at, tat = self._find(name, group, now)
            # No bucket of this boot is further ahead than its window.
            if tat > now + rate.window + rate.spacing:
                tat = 0.0
            after, decision = decide(rate, tat, now, cost)
            if decision.allowed:
                portion = rate.quota // _PORTIONS
                if portion > 1 and decision.remaining > _FAR * portion:
                    after, stands = decide(rate, after, now, portion)
                    self._hold((rate.name, key), _Held(portion, stands.remaining, stands.reset, now + rate.window))
                _SLOT.pack_into(self._map, at, name, after)
        finally:
            fcntl.lockf(self._fd, fcntl.LOCK_UN, _GROUP, group)
        return decision

    def _hold(self, key: tuple[str, str], held: _Held) -> None:
        if len(self._held) >= _MOST_HELD:
            self._held.clear()  # each was a thousandth of its quota, and fills again
        self._held[key] = held

    def spend_now(self, key: str, rate: Rate, cost: int = 1) -> Decision:
        """The same: here nobody has to be asked."""
        return self.spend(key, rate, cost)

    async def take(self, key: str, rate: Rate, cost: int = 1) -> Decision:
        """The same, for whom may wait."""
        return self.spend(key, rate, cost)

    def give_back(self, key: str, rate: Rate, cost: int = 1) -> None:
        """What was drawn was not used."""
        held = self._held.get((rate.name, key))
        if held is not None and self._monotonic() < held.until:
            held.left += cost
            return
        name, group = self._name(key, rate)
        fcntl.lockf(self._fd, fcntl.LOCK_EX, _GROUP, group)
        try:
            at, tat = self._find(name, group, self._monotonic())
            if tat:
                _SLOT.pack_into(self._map, at, name, tat - cost * rate.spacing)
        finally:
            fcntl.lockf(self._fd, fcntl.LOCK_UN, _GROUP, group)

    def close(self) -> None:
        """Let go of the file."""
        self._map.close()
        os.close(self._fd)

    def _name(self, key: str, rate: Rate) -> tuple[bytes, int]:
        # The salt keeps anybody from choosing addresses that meet in one group.
        name = hashlib.blake2b(f"{rate.name}\0{key}".encode(), digest_size=12, key=self._salt).digest()
        return name[:8], _HEAD + int.from_bytes(name[8:], "big") % self._groups * _GROUP

    def _find(self, name: bytes, group: int, now: float) -> tuple[int, float]:
        """Where this bucket is, or may be: a place that is free, else the one that is full again soonest."""
        best, soonest = group, float("inf")
        for at in range(group, group + _GROUP, _SLOT.size):
            there, tat = _SLOT.unpack_from(self._map, at)
            if there == name:
                return at, tat
            if tat < soonest:
                best, soonest = at, tat
        return best, 0.0
