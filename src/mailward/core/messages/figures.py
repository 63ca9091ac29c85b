"""How long delivering took, as counters: each delivery falls into one bucket of the hour in which it was delivered."""

from __future__ import annotations

from collections.abc import Mapping

from mailward.core.messages.model import MessageFacts

TOOK = "took_ms_"
BOUNDS_MS = (50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 1_800_000, 7_200_000, 86_400_000)
"""Upper bounds. What took longer than the last is in a bucket without one, named "more"."""


def waited_since(message: bytes, facts: MessageFacts) -> int:
    """From when a message could be on its way, in microseconds UTC: accepted, or at the time it was scheduled for."""
    return max(int.from_bytes(message[:6], "big") * 1000, facts.due)


def took(us: int) -> str:
    """The counter for a delivery that took `us` microseconds."""
    ms = us / 1000
    return next((f"{TOOK}{bound}" for bound in BOUNDS_MS if ms <= bound), f"{TOOK}more")


def percentile(counts: Mapping[str, int], share: float) -> int | None:
    """A bound in ms under which `share` (0 to 1) of the deliveries lie; None without any, or beyond all bounds."""
    total = sum(n for what, n in counts.items() if what.startswith(TOOK))
    seen = 0
    for bound in BOUNDS_MS if total else ():
        seen += counts.get(f"{TOOK}{bound}", 0)
        if seen >= share * total:
            return bound
    return None
