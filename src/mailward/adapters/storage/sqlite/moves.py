"""A store into which a move was not finished is nobody's to run on."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from mailward.adapters.storage.moves import require_finished

if TYPE_CHECKING:
    from mailward.adapters.storage.sqlite.sql import Sql


async def require_whole(tx: object) -> None:
    """In the system scope: Unavailable when a move into this store was not finished."""
    row = cast("Sql", tx).row("SELECT value FROM moves WHERE step = ''")
    require_finished(row[0] if row else None)
