"""The clock as this machine has seen it, in a file beside the data, so that a restart does not forget a doubt."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import structlog

from mailward.policy.steady import Seen, look

log = structlog.get_logger()

_NAME = "clock"
# Looks come every few minutes; what is written down need not be that fine.
_OFTEN = timedelta(hours=1)


class Steady:
    """Asked by whatever destroys by time, each time before it does."""

    def __init__(self, data: Path) -> None:
        self._path = data / _NAME

    def believes(self, now: datetime) -> bool:
        """Whether `now` may end terms; False is logged. Raises OSError when it cannot be written down."""
        before = self._read()
        seen, believed = look(before, now)
        if before is not None and before.since is None and before.believed <= now < before.believed + _OFTEN:
            return believed
        fresh = self._path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(seen))
        os.replace(fresh, self._path)
        if not believed:
            log.critical("clock_in_doubt", believed=seen.believed.isoformat(), now=now.isoformat(), waits="24 h")
        return believed

    def _read(self) -> Seen | None:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Seen)
        except (FileNotFoundError, msgspec.DecodeError):
            return None
