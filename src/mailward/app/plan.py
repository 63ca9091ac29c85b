"""What the supervisor hands to a worker: the settings, its number, and the sockets it inherits."""

from __future__ import annotations

import msgspec

from mailward.app.settings import Settings

# Message bodies come and go by the thousand and pass through several threads. Without this the C library keeps a heap
# for each thread, and what a crowd of large messages once needed for as long as the process lives.
HEAP = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "262144", "MALLOC_TRIM_THRESHOLD_": "1048576"}


class Plan(msgspec.Struct, kw_only=True):
    """Sent as JSON to the nursery. Sockets are file descriptors inherited under the same numbers."""

    slot: int
    """Unique among all workers of the data folder that are alive."""
    first: bool = False
    """The first worker of its supervisor: what is done once is done there."""
    supervisor: int
    settings: Settings
    starttls: list[int] = msgspec.field(default_factory=list)
    implicit: list[int] = msgspec.field(default_factory=list)
    private: list[int] = msgspec.field(default_factory=list)
    http: list[int] = msgspec.field(default_factory=list)
    plain: list[int] = msgspec.field(default_factory=list)
    mx: list[int] = msgspec.field(default_factory=list)
    metrics: int = -1
    signs: int = -1
    """The page of the watchdog, and this process's place in it."""
    place: int = 0


class CommitterPlan(msgspec.Struct, kw_only=True):
    """The same for the committing process: the settings, its supervisor, and the Unix socket it listens on."""

    settings: Settings
    supervisor: int
    listener: int
    signs: int = -1
    place: int = 0


def encode(plan: Plan | CommitterPlan) -> bytes:
    """JSON text of a plan."""
    return msgspec.json.encode(plan)


def decode(raw: bytes) -> Plan:
    """A plan from JSON."""
    return msgspec.json.decode(raw, type=Plan)
