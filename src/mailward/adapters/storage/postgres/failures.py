"""Which errors mean that the server is away, which that a transaction should be tried again, and which are ours."""

from __future__ import annotations

import asyncpg

from mailward.base.errors import Unavailable

# SQLSTATE classes: connection exception, insufficient resources, operator intervention, system error.
_AWAY_CLASSES = frozenset(("08", "53", "57", "58"))
# A statement of ours that ran out of its own time is in class 57, yet the server is well.
_STATEMENT_CANCELLED = "57014"
# The server we reached is a standby, or became one: another one is the primary now. Or it ended a transaction of ours
# that waited for us too long, and the session with it.
_ENDED = frozenset(("25006", "25P03", "25P04"))
# Deadlock, serialization failure, lock not available in time.
_AGAIN = frozenset(("40P01", "40001", "55P03"))


def lost(error: BaseException) -> bool:
    """The connection is of no use any more, whatever was under way on it."""
    if isinstance(error, asyncpg.PostgresError):
        state = error.sqlstate or ""
        return (state[:2] in _AWAY_CLASSES and state != _STATEMENT_CANCELLED) or state in _ENDED
    return isinstance(error, asyncpg.InterfaceError | asyncpg.InternalClientError | OSError | TimeoutError)


def again(error: BaseException) -> bool:
    """The transaction stood in another's way: from the start it may well succeed."""
    return isinstance(error, asyncpg.PostgresError) and error.sqlstate in _AGAIN


def cancelled(error: BaseException) -> bool:
    """A statement was ended before it was done: it waited for too long, or somebody at the server had enough of it."""
    return isinstance(error, asyncpg.PostgresError) and error.sqlstate == _STATEMENT_CANCELLED


STORING = "The message could not be stored now; please try again later."
READING = "The data could not be read now; please try again."


def unavailable(error: BaseException, public: str = STORING) -> Unavailable:
    """What a caller is told; the detail is for the log and carries no value of a row."""
    detail = type(error).__name__
    if isinstance(error, asyncpg.PostgresError):
        detail = f"{detail} {error.sqlstate}"
    elif isinstance(error, Unavailable):
        detail = error.detail
    return Unavailable("storage_unavailable", public, detail=detail)
