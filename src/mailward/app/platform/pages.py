"""Cursors that are ids: checked before a verb sees them, so that a bad one says so."""

from __future__ import annotations

from mailward.base import ids
from mailward.base.errors import Invalid, NotFound


def checked(cursor: str | None, prefix: str) -> str | None:
    """The cursor, if it is an id of that kind. Raises Invalid `invalid_cursor`."""
    if cursor is not None:
        try:
            ids.decode(prefix, cursor)
        except NotFound:
            raise Invalid(
                "invalid_cursor", "This cursor is not one of ours; start again without it.", field="cursor"
            ) from None
    return cursor
