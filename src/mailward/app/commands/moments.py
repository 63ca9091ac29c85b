"""Moments as people type them and read them."""

from __future__ import annotations

from datetime import UTC, datetime


def shown(moment: datetime | None) -> str:
    """To the second, in RFC 3339; nothing for never."""
    return moment.isoformat(timespec="seconds") if moment is not None else ""


def typed(moment: datetime | None) -> datetime | None:
    """A time typed without a zone is in UTC."""
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
