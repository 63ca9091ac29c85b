"""Structured logs: one JSON object a line on standard output. Ids and numbers only, never content or secrets."""

from __future__ import annotations

import logging
import sys

import structlog


def configure(level: str, *, slot: int | None) -> None:
    """Set up structlog for this process; `slot` is the worker's number, None in the supervisor."""
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
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
