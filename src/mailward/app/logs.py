"""Structured logs: one JSON object a line on standard output. Ids and numbers only, never content or secrets."""

from __future__ import annotations

import logging
import sys
import traceback
from pathlib import PurePath

import structlog
from structlog.typing import EventDict, WrappedLogger

_FRAMES = 6


def _fault(_: WrappedLogger, __: str, line: EventDict) -> EventDict:
    """An exception as its class and where it went through, innermost last: its text may hold what is not for a log."""
    given = line.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        line["error"] = type(error).__name__
        frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
        line["where"] = [f"{PurePath(f.filename).name}:{f.lineno} {f.name}" for f in frames]
    return line


def configure(level: str, *, slot: int | None) -> None:
    """Set up structlog for this process; `slot` is the worker's number, None in the supervisor."""
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _fault,
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stdout),
        cache_logger_on_first_use=True,
    )
    if slot is not None:
        structlog.contextvars.bind_contextvars(worker=slot)
    # Libraries log through the standard library; only their warnings, and only event and level.
    logging.basicConfig(level=logging.ERROR, stream=sys.stdout, format='{"event":"library","logger":"%(name)s"}')
