"""How a route is packed for its row, the same in both stores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mailward.core.inbound.model import Attachments, InboundRoute, Mode, OnScannerDown, RouteFormat, Signature
from mailward.policy.inbound_routes import MatchKind


def pack_route(r: InboundRoute) -> tuple[Any, ...]:
    """Everything of a route that no query asks for."""
    return (
        *(r.domain, r.kind.value, r.pattern, r.url, r.credentials, r.format.value, r.mode.value, r.authorize_url),
        *(r.authorize_credentials, r.require_tls, r.on_scanner_down.value, r.attachments.value, r.signature.value),
        *(r.description, r.disabled_reason),
    )


def to_route(workspace: bytes, id: bytes, packed: Sequence[Any], rest: Sequence[Any]) -> InboundRoute:
    """A route again. `rest`: enabled, created, disabled_at, failing_since, owner_told."""
    p = packed
    return InboundRoute(
        id=id,
        workspace=workspace,
        domain=p[0],
        kind=MatchKind(p[1]),
        pattern=p[2],
        url=p[3],
        credentials=p[4],
        format=RouteFormat(p[5]),
        mode=Mode(p[6]),
        authorize_url=p[7],
        authorize_credentials=p[8],
        require_tls=bool(p[9]),
        on_scanner_down=OnScannerDown(p[10]),
        attachments=Attachments(p[11]),
        signature=Signature(p[12]),
        description=p[13],
        disabled_reason=p[14],
        enabled=bool(rest[0]),
        created=rest[1],
        disabled_at=rest[2],
        failing_since=rest[3],
        owner_told=rest[4],
    )
