"""What the rows of received mail have in common: their sealed columns, and the nouns that rows make."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mailward.adapters.storage.inbound_rows import to_route
from mailward.core.inbound.model import InboundRoute, Received
from mailward.protocol.inbound.facts import DECODER

if TYPE_CHECKING:
    from mailward.adapters.storage.postgres.scope import SealedSql
    from mailward.adapters.storage.postgres.sql import Row


class PgInboundRows:
    """The ground the parts of the repository stand on."""

    ROUTE = "workspace, id, details, enabled, created, disabled_at, failing_since, owner_told"
    RECEIVED = "workspace, id, at, segment, seg_offset, seg_length, facts, reason, content_gone"

    def __init__(self, tx: SealedSql) -> None:
        self._tx = tx
        self._details = tx.cipher.column("inbound_routes", "details")
        self._facts = tx.cipher.column("received", "facts", daily=True)
        self._reason = tx.cipher.column("received", "reason", daily=True)
        self._response = tx.cipher.column("received_attempts", "response", daily=True)

    def route_of(self, r: Row) -> InboundRoute:
        """From a row of `ROUTE`."""
        return to_route(r[0], r[1], self._details.unpack(r[0], r[1], r[2]), tuple(r[3:]))

    def received_of(self, r: Row) -> Received:
        """From a row of `RECEIVED`."""
        body = None if r[3] is None else (r[3], r[4], r[5])
        facts = DECODER.decode(self._facts.open(r[0], r[1], r[6]))
        return Received(r[1], r[2], body, facts, self._reason.open(r[0], r[1], r[7]).decode(), r[8])
