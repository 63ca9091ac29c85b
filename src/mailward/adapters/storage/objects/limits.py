"""How much at once, how large, and how long: one place for the odd numbers and their reasons."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one process. Sizes in octets, times in seconds."""

    uploads: int = 8
    """Uploads under way at once. A PUT takes tens of milliseconds, so eight keep a process's commits fed."""
    object_bytes: int = 4 << 20
    """Largest object that several messages share. Small enough to try again within the deadline."""
    sealed_bytes: int = 96 << 20
    """Sealed content in memory over all uploads; one upload may always run."""
    waiting_bytes: int = 256 << 20
    """Content that may wait for an upload; beyond it callers are told at once to come back."""
    deadline: float = 15.0
    """From append to its answer, for little content. SMTP clients wait for minutes, HTTP clients often 30 seconds."""
    attempt: float = 5.0
    """One request, for little content."""
    slowest: float = float(2 << 20)
    """Octets a second that even a slow way carries: what larger content adds to both times."""
    backoff: float = 0.05
    """Longest pause before the second attempt; doubles with each."""
    longest_backoff: float = 2.0
    readers: int = 16
    """Ranged reads under way at once."""
    read_deadline: float = 10.0
    gap: int = 64 << 10
    """Octets between two records that are cheaper to read than to skip with a second request."""
    range_bytes: int = 8 << 20
    """Largest range that several records share."""
    cache_bytes: int = 32 << 20
    """Records that were read and may be asked for again."""

    def seconds_for(self, size: int) -> float:
        """Seconds that content of this size adds to a time limit."""
        return size / self.slowest
