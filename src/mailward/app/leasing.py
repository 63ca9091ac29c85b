"""What a worker holds of the queue: taking work, and keeping what it took although the clock is set.

A lease is a time of day in the store, so that any process can take over from one that
hung. When somebody sets the clock ahead, all leases look as if they had run out, and
every message under way would go out twice. So each worker compares the clock with one
that is never set: after a jump it renews what it holds, and takes nothing for as long
as the other workers need to do the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Protocol

import structlog

from mailward.app.store import Store
from mailward.base.sources import Clock
from mailward.core.delivery.attempt import Attempter, Beside
from mailward.core.delivery.lease import due_now, hand_back, lease, renew
from mailward.core.delivery.model import Settled, Work
from mailward.core.nodes.pulse import Pulse

log = structlog.get_logger()

LEASE_US = 20 * 60 * 1_000_000
# How often leases are renewed while an attempt takes longer than that, as a large message over a slow line does.
KEEP_SECONDS = 240.0
# What is left of a lease when work is begun that waited in memory; for an attempt that takes longer it is renewed.
_ATTEMPT_US = LEASE_US // 2
# Time services move a clock by less than this at a time, or slew it.
_JUMP_SECONDS = 30.0
# Every worker looks at the clock twice a second; this is what a busy one may be late.
_SETTLE_SECONDS = 5.0
# How often work that waits for the store to come back looks whether it has.
_LOOK_SECONDS = 0.2


class Leasing:
    """The leases of one worker."""

    def __init__(self, store: Store, clock: Clock, lessee: int, pulse: Pulse | None = None) -> None:
        """Without `pulse`: a store of one machine."""
        self.pulse = pulse or Pulse(0.0, alone=True)
        self._store = store
        self._clock = clock
        self._lessee = lessee
        self._offset = self._read_offset()
        self._quiet_until = 0.0
        self._turn = 0
        self._stale = (0, 0)

    async def lease(self, limit: int, without: frozenset[bytes] = frozenset()) -> list[Work]:
        """Up to `limit` copies that are due, none of the workspaces in `without`.

        Nothing while the node rests or shortly after the clock was set.
        """
        if self.pulse.resting or not self.believed:
            return []
        await self.look_at_clock()
        if self._clock.monotonic() < self._quiet_until:
            return []
        now = self._now_us()
        if not await self._store.system_read(lambda tx: due_now(tx, now, without)):
            return []
        self._turn += 1
        turn = self._turn
        return await self._store.system_write(
            lambda tx: lease(tx, self._lessee, now=now, until=now + LEASE_US, limit=limit, turn=turn, without=without)
        )

    async def hand_back(self, held: Collection[bytes], seconds: float) -> int:
        """Return what was leased here longer ago than that, and is not of a message in `held`; how many copies."""
        now = self._now_us()
        until = now + LEASE_US - int(seconds * 1e6)
        copies = await self._store.system_write(lambda tx: hand_back(tx, self._lessee, held=held, until=until, now=now))
        if copies:
            log.warning("leases_handed_back", copies=copies)
        return copies

    async def look_at_clock(self) -> bool:
        """Renew what this worker holds if the clock was set ahead since the last look; True when it was."""
        offset = self._read_offset()
        jump, before = offset - self._offset, self._offset
        if abs(jump) < _JUMP_SECONDS:
            # Slewing is followed, so that years of it do not add up to a jump.
            self._offset = offset
            return False
        self._quiet_until = self._clock.monotonic() + _SETTLE_SECONDS
        if jump > 0:
            # Leases taken before the jump end at the latest at `old`, those taken after it later than that.
            old = int((before + self._clock.monotonic()) * 1e6) + LEASE_US
            until = self._now_us() + LEASE_US
            await self._store.system_write(lambda tx: renew(tx, self._lessee, until=until))
            self._stale = (old, until)
        self._offset = offset
        return True

    async def keep(self) -> int:
        """Give all that this worker holds a whole lease again, for attempts that take long; how many copies."""
        old = self._now_us() + LEASE_US
        copies = await self._store.system_write(lambda tx: renew(tx, self._lessee, until=old))
        self._stale = (old, old)
        return copies

    @property
    def believed(self) -> bool:
        """Is what this worker leased certainly its own? Not when the others may have taken it for dead."""
        return self.pulse.fresh(self._clock.monotonic())

    def time_left(self, work: Work) -> bool:
        """Is there time for an attempt before the lease of this work ends?"""
        old, renewed = self._stale
        until = renewed if work.until <= old else work.until
        return until - self._now_us() > _ATTEMPT_US

    def _now_us(self) -> int:
        return int(self._clock.now().timestamp() * 1e6)

    def _read_offset(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()


class Punctual:
    """Implements `edges.workers.sender.Attempts`: begins nothing that another worker may soon begin too.

    Work can wait in memory for long behind a slow destination. What is left alone here is
    due again when its lease ends.
    """

    def __init__(self, attempter: Attempter, leasing: Leasing) -> None:
        self._attempter = attempter
        self._leasing = leasing

    async def attempt(self, work: Work, beside: Beside | None = None) -> list[Settled]:
        """One try for every copy, or none when the lease is nearly over or somebody else's.

        While the store is away longer than others need to get suspicious, nothing is begun.
        """
        while not self._leasing.believed:
            if self._leasing.pulse.lost:
                return []
            await asyncio.sleep(_LOOK_SECONDS)
        return await self._attempter.attempt(work, beside) if self._leasing.time_left(work) else []


class Room(Protocol):
    """A sender's room, see `edges.workers.sender.Sender`."""

    def reserve(self, workspace: bytes, size: int) -> bool: ...

    def release(self, workspace: bytes, size: int) -> None: ...

    def take(self, work: Work) -> None: ...

    def doubtful(self) -> None: ...


class Believed:
    """Implements `app.platform.acceptance.Outbox`: no room while the node rests or may be taken for dead.

    A message accepted meanwhile is nobody's yet, and whoever sends finds it in the store.
    """

    def __init__(self, sender: Room, leasing: Leasing) -> None:
        self._leasing = leasing
        self._reserve = sender.reserve
        self.release = sender.release
        self.take = sender.take
        self.doubtful = sender.doubtful

    def reserve(self, workspace: bytes, size: int) -> bool:
        """Is there room for a message of this size?"""
        leasing = self._leasing
        return not leasing.pulse.resting and leasing.believed and self._reserve(workspace, size)
