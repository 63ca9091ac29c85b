"""The checks behind the promises: each looks at the installation itself, not at what its documents say."""

from mailward.app.checks import (
    access,
    content,
    delivery,
    email,
    input,
    isolation,
    keys,
    limits,
    log,
    network,
    outcomes,
    peers,
    privacy,
    receiving,
    storage,
    supply,
    transport,
)
from mailward.app.checks.registry import CHECKS, check

__all__ = [
    "CHECKS",
    "access",
    "check",
    "content",
    "delivery",
    "email",
    "input",
    "isolation",
    "keys",
    "limits",
    "log",
    "network",
    "outcomes",
    "peers",
    "privacy",
    "receiving",
    "storage",
    "supply",
    "transport",
]
