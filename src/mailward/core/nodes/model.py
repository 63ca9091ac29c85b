"""Nodes, their workers, and how long silence may last."""

from __future__ import annotations

from typing import NamedTuple

BEAT_SECONDS = 2.0
FENCE_SECONDS = 10.0
"""A worker that could not beat for so long begins no attempt: those under way have the rest of the time to end."""
DEAD_SECONDS = 25.0
"""A worker that was seen to be silent for so long is dead: its leases go back to the queue."""


class Identity(NamedTuple):
    """Which machine this is: its number, what tells it from another that was given the same one, and words for people.

    `instance` is 16 octets that its data folder keeps. `http` (`https://host:port`) and `submission` (`host:port`) are
    where other nodes reach its doors; empty where it has none, or does not know how others name it.
    """

    node: int
    instance: bytes
    name: str
    zone: str
    version: str
    http: str = ""
    submission: str = ""


class Beat(NamedTuple):
    """One worker as the store knows it: `seen` changes with each beat (microseconds of the store's own clock)."""

    slot: int
    generation: int
    seen: int


class Answer(NamedTuple):
    """What a beat is told: `resting`, that its node is to take no new work; `leads`, that what is done once for all
    nodes is to be done by this worker; `nodes`, how many machines have workers that are alive.
    """

    resting: bool
    leads: bool
    nodes: int = 1


class NodeSeen(NamedTuple):
    """One node for people: `state` is up, draining, stopped or gone; `age` seconds since it was seen last. `http` and
    `submission` as in `Identity`."""

    node: int
    name: str
    zone: str
    version: str
    state: str
    workers: int
    roles: tuple[str, ...]
    age: float
    http: str = ""
    submission: str = ""


class Draw(NamedTuple):
    """A wish for `want` units of a rate that all nodes share: `quota` in `window` seconds, for whom `key` names."""

    name: str
    key: str
    want: int
    quota: int
    window: float


class SeatWish(NamedTuple):
    """How many connections of a source (`key`, a keyed hash) a worker wishes to hold beyond its node's share, in all.

    `most` is the source's limit over all nodes.
    """

    key: str
    want: int
    most: int


class Grant(NamedTuple):
    """What was given of it, what is left in all, and the seconds until there is one more and until all are there."""

    given: int
    left: int
    retry_after: float
    reset: float
