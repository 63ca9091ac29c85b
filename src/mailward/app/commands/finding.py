"""What `mailward doctor` has to say about one thing."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """One thing looked at. `state` is "ok", "warning" or "wrong"; `advice` says what to do."""

    what: str
    state: str
    found: str
    advice: str = ""
