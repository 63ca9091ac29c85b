"""The columns of routes and received messages, and the nouns they make."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from mailward.adapters.storage.inbound_rows import to_route
from mailward.core.inbound.model import InboundRoute, Received
from mailward.protocol.inbound.facts import DECODER

if TYPE_CHECKING:
    from mailward.adapters.storage.sqlite.sql import Row

ROUTE = "workspace, id, details, enabled, created, disabled_at, failing_since, owner_told"
RECEIVED = "id, at, segment, seg_offset, seg_length, facts, reason, content_gone"
_decode = msgspec.msgpack.Decoder(tuple).decode


def route_of(row: Row) -> InboundRoute:
    """From a row of `ROUTE`."""
    return to_route(row[0], row[1], _decode(row[2]), row[3:])


def received_of(row: Row) -> Received:
    """From a row of `RECEIVED`."""
    body = None if row[2] is None else (row[2], row[3], row[4])
    return Received(row[0], row[1], body, DECODER.decode(row[5]), row[6], row[7])
