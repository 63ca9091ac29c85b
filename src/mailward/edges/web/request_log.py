"""What was asked of the API, gathered in memory while it is answered and taken away in batches by upkeep."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

_MOST = 40
"""Of one workspace between two batches; as many refusals on top. What a busier workspace asks is counted."""
_WORKSPACES = 5000


class Noted(NamedTuple):
    """One answered request. `at` is microseconds UTC, `id` the public one, `us` how long the answer took."""

    at: int
    id: str
    method: str
    operation: str
    status: int
    us: int
    actor: str


class RequestLog:
    """Of one process. Nothing in it names an address, a path or what was sent."""

    def __init__(self) -> None:
        self._noted: dict[str, list[Noted]] = {}
        self._failed: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()

    def note(self, workspace: str, request: Noted) -> None:
        """Remember it, or count it when there is no room. Costs a list append."""
        kept = self._noted.get(workspace)
        if kept is None:
            if len(self._noted) >= _WORKSPACES:
                return
            kept = self._noted[workspace] = []
        if request.status >= 400:
            if self._failed[workspace] < _MOST:
                self._failed[workspace] += 1
                kept.append(request)
                return
        elif len(kept) - self._failed[workspace] < _MOST:
            kept.append(request)
            return
        self._left_out[workspace] += 1

    def take(self) -> tuple[dict[str, list[Noted]], dict[str, int]]:
        """What was gathered by workspace, and how much was left out; both begin anew."""
        noted, left_out = self._noted, dict(self._left_out)
        self._noted, self._failed, self._left_out = {}, Counter(), Counter()
        return noted, left_out
