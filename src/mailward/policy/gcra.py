"""The generic cell rate algorithm: one number per key decides, so that limits cost a comparison.

The number is the theoretical arrival time (TAT) of ITU-T I.371: the moment at which the
bucket would be empty again. Pure; the caller keeps the number and supplies the time.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """`quota` requests over `window` seconds, all of which may come at once. `name` is told to the caller."""

    name: str
    quota: int
    window: float

    @property
    def spacing(self) -> float:
        """Seconds between two requests at the steady rate."""
        return self.window / self.quota


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided: `remaining` requests now, `reset` seconds until the bucket is full again,
    `retry_after` seconds until this request would pass (0 when allowed)."""

    allowed: bool
    remaining: int
    reset: float
    retry_after: float


def decide(rate: Rate, tat: float, now: float, cost: int = 1) -> tuple[float, Decision]:
    """The next TAT and the decision for a request of `cost` units at `now` (seconds of any steady clock)."""
    spacing = rate.spacing
    start = tat if tat > now else now
    end = start + cost * spacing
    over = end - now - rate.window
    if over > 1e-9:
        left = int((rate.window - (start - now)) / spacing + 1e-9)
        return tat, Decision(False, max(0, left), start - now, over)
    return end, Decision(True, int((rate.window - (end - now)) / spacing + 1e-9), end - now, 0.0)


def draw(rate: Rate, tat: float, now: float, want: int) -> tuple[float, int, Decision]:
    """Take up to `want` units at once: the next TAT, how many were given, and how the bucket stands then.

    `retry_after` is the time until one more unit would pass, 0 when it would now.
    """
    start = tat if tat > now else now
    room = int((rate.window - (start - now)) / rate.spacing + 1e-9)
    given = max(0, min(want, room))
    tat, _ = decide(rate, tat, now, given) if given else (tat, None)
    _, after = decide(rate, tat, now)
    left = after.remaining + (1 if after.allowed else 0)
    return tat, given, Decision(given > 0, left, max(0.0, tat - now), after.retry_after)
