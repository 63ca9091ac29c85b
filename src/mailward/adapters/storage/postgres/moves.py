"""A database that is being moved is nobody's to run on: while the move works, and when it ended half-way."""

from __future__ import annotations

from typing import Any

from mailward.adapters.storage.moves import require_finished
from mailward.base.errors import Unavailable

MOVE_LOCK = 0x4D57_4D4F_5645_5253
"""Held exclusively by `mailward migrate-store` on either side; a store that opens asks for it shared."""

_SQL = "SELECT pg_try_advisory_xact_lock_shared($1), (SELECT value FROM moves WHERE step = '')"


async def require_settled(db: Any) -> None:
    """In a transaction of the system role: Unavailable while a move works with this database or was not finished."""
    free, note = await db.fetchrow(_SQL, MOVE_LOCK)
    if not free:
        raise Unavailable("storage_moving", "The database is being moved by `mailward migrate-store`.")
    require_finished(note)
