"""The columns of an endpoint, and the noun they make."""

from __future__ import annotations

from typing import Any

from mailward.core.webhooks.model import Endpoint

ENDPOINT = "id, url, types, description, enabled, disabled_reason, created, failing_since, disabled_at, owner_told"


def to_endpoint(row: tuple[Any, ...]) -> Endpoint:
    """From a row of those columns."""
    return Endpoint(row[0], row[1], frozenset(row[2].split()), row[3], bool(row[4]), *row[5:10])
