"""What the rows of webhooks have in common: their sealed columns, and the endpoint that a row makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailward.core.webhooks.model import Endpoint

if TYPE_CHECKING:
    from mailward.adapters.storage.postgres.scope import SealedSql
    from mailward.adapters.storage.postgres.sql import Row


class PgWebhookRows:
    """The ground both halves of the repository stand on."""

    ENDPOINT = "workspace, id, details, types, enabled, created, failing_since, disabled_at, owner_told"

    def __init__(self, tx: SealedSql) -> None:
        self._tx = tx
        self._details = tx.cipher.column("webhooks", "details")
        self._body = tx.cipher.column("webhook_events", "body", daily=True)
        self._response = tx.cipher.column("webhook_attempts", "response", daily=True)

    def endpoint(self, r: Row) -> Endpoint:
        """From a row of `ENDPOINT`."""
        url, description, disabled_reason = self._details.unpack(r[0], r[1], r[2])
        return Endpoint(
            r[1], url, frozenset(r[3].split()), description, bool(r[4]), disabled_reason, r[5], r[6], r[7], r[8]
        )
