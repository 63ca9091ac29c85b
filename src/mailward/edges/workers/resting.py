"""Endpoints that took nothing lately, and until when each is left alone. In memory, one a worker."""

from __future__ import annotations

from dataclasses import dataclass

from mailward.policy import posting

_FORGOTTEN_AFTER = 600.0


@dataclass(slots=True)
class _Failing:
    since: float
    row: int
    until: float


class Resting:
    """What failed at its endpoint is tried again by the schedule; this is about the endpoint itself. However much waits
    for one that is down, it is asked now and then until it takes something, and everything waits for that.

    Times are monotonic seconds, given by the caller.
    """

    def __init__(self) -> None:
        self._failing: dict[bytes, _Failing] = {}

    def took(self, endpoint: bytes) -> None:
        """It took something: no rest."""
        self._failing.pop(endpoint, None)

    def failed(self, endpoint: bytes, now: float) -> None:
        """It took nothing. From the third time in a row on it rests, the longer the longer this lasts."""
        found = self._failing.get(endpoint)
        if found is None:
            found = self._failing[endpoint] = _Failing(now, 0, now)
        found.row += 1
        if found.row >= posting.FAILURES_BEFORE_REST:
            found.until = now + posting.rest(now - found.since)

    def at(self, now: float) -> list[bytes]:
        """Who rests at `now`. Whoever was not asked for long is forgotten."""
        for endpoint in [e for e, f in self._failing.items() if f.until < now - _FORGOTTEN_AFTER]:
            del self._failing[endpoint]
        return [e for e, f in self._failing.items() if f.until > now]
