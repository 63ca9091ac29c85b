"""How strange a sign-in looks, and why: the value the guard gives back and the sign-in acts on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """NONE: as usual. LOW: the owner is told. MEDIUM: more is asked. HIGH: held until the owner confirms."""

    NONE = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A level with its reasons, as sentences a person can read."""

    level: Level = Level.NONE
    reasons: tuple[str, ...] = ()
