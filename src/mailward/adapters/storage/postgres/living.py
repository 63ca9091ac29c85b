"""Which objects of the bucket still hold content that a row names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mailward.adapters.storage.postgres.sql import Sql


async def living_segments(tx: Sql, segments: Sequence[int]) -> set[int]:
    """Of these segments, those in which some message's content lies. System scope: every workspace counts."""
    found = await tx.rows(
        "SELECT DISTINCT segment FROM messages WHERE segment = ANY($1::bigint[]) "
        "UNION SELECT DISTINCT segment FROM received WHERE segment = ANY($1::bigint[])",
        list(segments),
    )
    return {int(row[0]) for row in found}
