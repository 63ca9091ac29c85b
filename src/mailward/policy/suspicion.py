"""How strange a sign-in looks, and why: the value the guard gives back and the sign-in acts on. Pure.

Each signal weighs something: one of the heavy ones, or a new browser in a new network,
holds the sign-in. A browser the owner has used or confirmed before is never held, or
whoever guesses at an account could keep its owner out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
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


@dataclass(frozen=True, slots=True)
class Visit:
    """An earlier sign-in. `position` is latitude and longitude in degrees, where the database knows them."""

    at: datetime
    device: bytes | None
    network: str
    position: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a sign-in. `history` newest first; `failures` wrong tries at the account before it;
    `accounts` how many accounts its source failed at lately; `known_device`: the owner used or confirmed it, and
    `known_address` likewise."""

    now: datetime
    known_device: bool
    network: str
    history: Sequence[Visit] = ()
    position: tuple[float, float] | None = None
    failures: int = 0
    accounts: int = 0
    anonymiser: bool = False
    known_address: bool = False


MANY_FAILURES = 10
MANY_ACCOUNTS = 5
# Airliners make 900 km/h; places found by address are often wrong by a hundred kilometres.
_FASTEST_KMH, _SLACK_KM = 1000.0, 300.0
_EARTH_KM = 6371.0
# An hour counts as usual when one of ten earlier sign-ins or more fell within two hours of it, on the clock.
_HABIT, _HOURS_AROUND = 10, 2
_HEAVY, _DEVICE, _LIGHT = 3, 2, 1


def assess(facts: Facts) -> Suspicion:
    """The level and the reasons. Somebody's first sign-in ever has nothing to differ from."""
    found: list[tuple[int, str]] = []
    if facts.failures >= MANY_FAILURES:
        found.append((_HEAVY, f"There were {facts.failures} wrong passwords for this account before it."))
    if facts.accounts >= MANY_ACCOUNTS:
        found.append((_HEAVY, f"The same address failed to sign in to {facts.accounts} accounts lately."))
    if facts.anonymiser:
        found.append((_HEAVY, "It comes through a network that hides where people are."))
    if facts.history:
        if (told := _travel(facts)) is not None:
            found.append((_HEAVY, told))
        if not facts.known_device:
            found.append((_DEVICE, "This browser has not been used with the account before."))
        if all(v.network != facts.network for v in facts.history):
            found.append((_LIGHT, "The account was not used from this network before."))
        if _unusual_hour(facts):
            found.append((_LIGHT, f"It happened at {facts.now:%H:%M} UTC, when this account is not used as a rule."))
    weight = sum(w for w, _ in found)
    if weight == _DEVICE and facts.known_address and not facts.known_device:
        # Another browser at home, and nothing else: people have several.
        weight = _LIGHT
    level = Level(min(weight, int(Level.HIGH)))
    if facts.known_device:
        level = min(level, Level.LOW)
    return Suspicion(level, tuple(text for _, text in found))


def _travel(facts: Facts) -> str | None:
    """Why nobody can have come here since the sign-in before, or None."""
    last = next((v for v in facts.history if v.position is not None), None)
    if last is None or last.position is None or facts.position is None:
        return None
    km = distance_km(last.position, facts.position)
    hours = max((facts.now - last.at).total_seconds(), 0.0) / 3600
    if km <= _SLACK_KM + hours * _FASTEST_KMH:
        return None
    return f"It is {round(km)} km from where the account was used {_ago(hours)} before."


def distance_km(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Great-circle distance between two points in degrees (the haversine formula)."""
    lat1, lon1, lat2, lon2 = map(math.radians, (*a, *b))
    h = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * _EARTH_KM * math.asin(min(1.0, math.sqrt(h)))


def _unusual_hour(facts: Facts) -> bool:
    if len(facts.history) < _HABIT:
        return False
    hour = facts.now.hour
    near = sum(min((v.at.hour - hour) % 24, (hour - v.at.hour) % 24) <= _HOURS_AROUND for v in facts.history)
    return near * _HABIT < len(facts.history)


def _ago(hours: float) -> str:
    if hours < 1:
        return f"{max(1, round(hours * 60))} min"
    return f"{round(hours)} h" if hours < 48 else f"{round(hours / 24)} days"
