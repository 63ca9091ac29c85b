"""What the supervisor hands to a worker: the settings, its number, and the sockets it inherits."""

from __future__ import annotations

import msgspec

from mailward.app.settings import Settings


class Plan(msgspec.Struct, kw_only=True):
    """Sent as JSON on the worker's standard input. Sockets are file descriptors inherited under the same numbers."""

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
    mx: list[int] = msgspec.field(default_factory=list)
    metrics: int = -1


class CommitterPlan(msgspec.Struct, kw_only=True):
    """The same for the committing process: the settings, its supervisor, and the Unix socket it listens on."""

    settings: Settings
    supervisor: int
    listener: int


def encode(plan: Plan | CommitterPlan) -> bytes:
    """JSON text of a plan."""
    return msgspec.json.encode(plan)


def decode(raw: bytes) -> Plan:
    """A plan from JSON."""
    return msgspec.json.decode(raw, type=Plan)
